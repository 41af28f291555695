"""The methods: each gives, at every look, how many standard errors its interval reaches, and a p-value."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments.stats.inference import plan as names
from experiments.stats.inference.confidence_sequence import sequence_multiplier, sequence_p_value
from experiments.stats.inference.group_sequential import SpendingPlan, repeated_p_value
from experiments.stats.inference.msprt import always_valid_p_values, mixture_half_width
from experiments.stats.inference.plan import AnalysisPlan
from experiments.stats.inference.progress import Progress

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold the bound of |z| (z for one side) at each look, and the p-value of all looks so far."""

    bounds: Floats
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Track:
    """Hold the estimates of all looks: z on the normal scale, positive where better, and its standard error."""

    z: Floats
    standard_error: Floats
    progress: Progress


def verdict_of(plan: AnalysisPlan, track: Track) -> Verdict:
    """Apply the plan's method."""
    return _METHODS[plan.chosen_method](plan, track)


def _always_valid(plan: AnalysisPlan, track: Track) -> Verdict:
    tuned, ready = track.progress.tuned, track.progress.ready
    bounds = np.where(ready, sequence_multiplier(np.maximum(tuned, 1e-12), plan.level, plan.sides), np.inf)
    return Verdict(bounds, _least(sequence_p_value(track.z, tuned, plan.level, plan.sides), ready))


def _msprt(plan: AnalysisPlan, track: Track) -> Verdict:
    ready = track.progress.ready
    mixture = plan.mixture_sd or _usual_effect(track, plan)
    half = np.asarray(mixture_half_width(track.standard_error, mixture, plan.level))
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.where(ready, half / track.standard_error, np.inf)
    p_values = always_valid_p_values(track.z * track.standard_error, track.standard_error, mixture)
    return Verdict(bounds, _least(p_values, ready))


def _usual_effect(track: Track, plan: AnalysisPlan) -> float:
    """Take τ² = ρ²·σ² of the confidence sequence from the first look that can be read: σ²/n is its variance."""
    if not track.progress.ready.any():
        return 1.0
    first = int(np.argmax(track.progress.ready))
    from experiments.stats.inference.confidence_sequence import mixture_scale

    v = mixture_scale(plan.level) * track.progress.tuned[first]
    return float(track.standard_error[first] * np.sqrt(v))


def _group_sequential(plan: AnalysisPlan, track: Track) -> Verdict:
    spending = SpendingPlan(plan.level, plan.sides, plan.spending, plan.spending_parameter)
    information, time = track.progress.information, track.progress.time
    bounds = np.full(len(track.z), np.inf)
    used = used_looks(track.progress)
    if not len(used):
        return Verdict(bounds, 1.0)
    bounds[used] = spending.bounds(information[used], time[used])
    return Verdict(bounds, repeated_p_value(track.z[used], information[used], time[used], spending))


def used_looks(progress: Progress) -> NDArray[np.int64]:
    """Return the looks that may test: those with new information, up to the horizon's."""
    before = np.r_[0.0, progress.information[:-1]]
    rising = progress.ready & (progress.information > before * (1 + 1e-9))
    # A look that was not ready is no look: compare with the last that was.
    final = np.flatnonzero(progress.time >= 1)
    if len(final):
        rising[final[0] + 1 :] = False
    return np.flatnonzero(rising)


def _half_sequence(plan: AnalysisPlan, track: Track) -> Verdict:
    """Spend half of alpha on a confidence sequence, half on one test at the horizon."""
    half, progress = plan.level / 2, track.progress
    bounds = np.where(progress.ready, sequence_multiplier(np.maximum(progress.tuned, 1e-12), half, plan.sides), np.inf)
    p_values = np.asarray(sequence_p_value(track.z, progress.tuned, half, plan.sides))
    final = _final_look(progress)
    if final is not None:
        bounds[final] = min(bounds[final], stats.norm.isf(half / plan.sides))
        p_values[final] = min(p_values[final], _tail(track.z[final], plan.sides))
    return Verdict(bounds, min(2 * _least(p_values, progress.ready), 1.0))


def _fixed(plan: AnalysisPlan, track: Track) -> Verdict:
    bounds, final = np.full(len(track.z), np.inf), _final_look(track.progress)
    if final is None:
        return Verdict(bounds, 1.0)
    bounds[final] = stats.norm.isf(plan.level / plan.sides)
    return Verdict(bounds, _tail(track.z[final], plan.sides))


def _bayesian(plan: AnalysisPlan, track: Track) -> Verdict:
    bounds = np.where(track.progress.ready, stats.norm.isf(plan.level / plan.sides), np.inf)
    return Verdict(bounds, None)


def _final_look(progress: Progress) -> int | None:
    final = np.flatnonzero((progress.time >= 1) & progress.ready)
    return int(final[0]) if len(final) else None


def _tail(z: float, sides: int) -> float:
    return float(stats.norm.sf(z)) if sides == 1 else float(2 * stats.norm.sf(abs(z)))


def _least(p_values: Floats, ready: NDArray[np.bool_]) -> float:
    return float(np.min(np.where(ready, p_values, 1.0)))


_METHODS: dict[str, Callable[[AnalysisPlan, Track], Verdict]] = {
    names.ALWAYS_VALID: _always_valid,
    names.MSPRT: _msprt,
    names.GROUP_SEQUENTIAL: _group_sequential,
    names.HALF_SEQUENCE: _half_sequence,
    names.BAYESIAN: _bayesian,
    names.FIXED: _fixed,
}
