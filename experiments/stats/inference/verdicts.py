"""The methods: each gives, at every look, how many standard errors its interval reaches, and a p-value."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from experiments.stats.inference import plan as names
from experiments.stats.inference.confidence_sequence import mixture_scale, sequence_multiplier, sequence_p_value
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
    """Take τ² = ρ²·σ², as the confidence sequence does, from the standard error of the first look that is ready."""
    if not track.progress.ready.any():
        return 1.0
    first = int(np.argmax(track.progress.ready))
    v = mixture_scale(plan.level) * track.progress.tuned[first]
    return float(track.standard_error[first] * np.sqrt(v))


def _group_sequential(plan: AnalysisPlan, track: Track) -> Verdict:
    spending = SpendingPlan(plan.level, plan.sides, plan.spending, plan.spending_parameter)
    progress, used = track.progress, used_looks(track.progress)
    bounds = np.full(len(track.z), np.inf)
    if not len(used):
        return Verdict(bounds, 1.0)
    information, time = progress.information[used], progress.time[used]
    bounds[used] = _carried(spending.bounds(information, time), time)
    return Verdict(bounds, repeated_p_value(track.z[used], information, time, spending))


def _carried(bounds: Floats, time: Floats) -> Floats:
    """Give a look at which no time has passed, so that nothing new is spent, the bound of the one before."""
    carried = bounds.copy()
    for index in range(1, len(carried)):
        if time[index] <= time[index - 1]:
            carried[index] = carried[index - 1]
    return carried


def used_looks(progress: Progress) -> NDArray[np.int64]:
    """Return the looks that may test: those that are ready, up to the horizon's."""
    final = np.flatnonzero((progress.time >= 1) & progress.ready)
    used = np.flatnonzero(progress.ready)
    return used[used <= final[0]] if len(final) else used


def _half_sequence(plan: AnalysisPlan, track: Track) -> Verdict:
    """Spend half of alpha on a confidence sequence, half on one test at the horizon."""
    half, progress = plan.level / 2, track.progress
    bounds = np.where(progress.ready, sequence_multiplier(np.maximum(progress.tuned, 1e-12), half, plan.sides), np.inf)
    p_values = np.asarray(sequence_p_value(track.z, progress.tuned, half, plan.sides))
    final = _final_look(progress)
    if final is not None:
        bounds[final] = min(bounds[final], -ndtri(half / plan.sides))
        p_values[final] = min(p_values[final], _tail(track.z[final], plan.sides))
    return Verdict(bounds, min(2 * _least(p_values, progress.ready), 1.0))


def _fixed(plan: AnalysisPlan, track: Track) -> Verdict:
    bounds, final = np.full(len(track.z), np.inf), _final_look(track.progress)
    if final is None:
        return Verdict(bounds, 1.0)
    bounds[final] = -ndtri(plan.level / plan.sides)
    return Verdict(bounds, _tail(track.z[final], plan.sides))


def _bayesian(plan: AnalysisPlan, track: Track) -> Verdict:
    bounds = np.where(track.progress.ready, -ndtri(plan.level / plan.sides), np.inf)
    return Verdict(bounds, None)


def _final_look(progress: Progress) -> int | None:
    final = np.flatnonzero((progress.time >= 1) & progress.ready)
    return int(final[0]) if len(final) else None


def _tail(z: float, sides: int) -> float:
    return float(ndtr(-z)) if sides == 1 else float(2 * ndtr(-abs(z)))


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
