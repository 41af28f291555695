"""How far a test is: information for its bounds, time for its spending."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.stats.inference.estimate import Estimate
from experiments.stats.inference.estimates import (
    cuped_difference,
    difference_of_means,
    paired_difference,
    ratio_of_sums,
)
from experiments.stats.inference.plan import PAIRED, RATIO, SWITCHBACK, AnalysisPlan, Look
from experiments.stats.inference.switchback import switchback_difference

Floats = NDArray[np.float64]
LEAST_STEP = 0.1
"""Where information stands still (clusters whose spread looks larger, visitors who only return), it is taken to grow by
this part of the days' growth. Less correlated looks make wider bounds, so this errs to the safe side."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Hold, a look each: ``information`` in any unit, ``time`` as share of the horizon (nan without one), ``tuned`` as
    share of what a confidence sequence is tuned for, ``ready`` where an estimate can be read."""

    information: Floats
    time: Floats
    tuned: Floats
    ready: NDArray[np.bool_]


def estimate_of(plan: AnalysisPlan, look: Look, *, relative: bool | None = None) -> Estimate:
    """Estimate the plan's metric from one look."""
    share = plan.relative if relative is None else relative
    if plan.metric == SWITCHBACK:
        if look.slots is None:
            raise ValueError("slots: got none; give the slots of every look of a switchback")
        return switchback_difference(look.slots, lag=plan.switchback_lag, relative=share)
    if look.control is None or look.treatment is None:
        raise ValueError("control: got none; give the moments of both arms")
    if plan.metric == PAIRED:
        return paired_difference(look.treatment, relative=share)
    if plan.metric == RATIO:
        return ratio_of_sums(look.control, look.treatment, relative=share)
    estimator = cuped_difference if plan.cuped else difference_of_means
    return estimator(look.control, look.treatment, relative=share)


def progress_of(plan: AnalysisPlan, looks: Sequence[Look], estimates: Sequence[Estimate]) -> Progress:
    """Measure how far each look is."""
    days = np.array([look.day for look in looks], dtype=float)
    units = np.array([float(estimate.n) for estimate in estimates])
    error = np.array([float(estimate.standard_error) for estimate in estimates])
    ready = np.isfinite(error) & (error > 0) & (plan.is_clustered | (units >= plan.least_units))
    time = _time(plan, days, units)
    if plan.is_clustered:
        information = _rising(days, _inverse_square(error), ready)
        return Progress(information, time, information / _halfway(plan, days, information, ready), ready)
    return Progress(_rising(days, _pairs_of_units(looks), ready), time, units / plan.sequence_n, ready)


def _time(plan: AnalysisPlan, days: Floats, units: Floats) -> Floats:
    if not plan.has_horizon:
        return np.full(len(days), np.nan)
    if plan.planned_n is None or plan.is_clustered:
        time = days / float(plan.planned_days or 1)
    else:
        time = units / plan.planned_n
        if plan.planned_days is not None:
            time = np.where(days >= plan.planned_days, 1.0, time)
    return np.asarray(np.maximum.accumulate(np.minimum(time, 1.0)))


def _pairs_of_units(looks: Sequence[Look]) -> Floats:
    """Return n_a·n_b/(n_a + n_b): the variance of a difference of means is inverse to it."""
    arms = [(look.control, look.treatment) for look in looks]
    control, treatment = (np.array([float(arm.n) if arm else 0.0 for arm in side]) for side in zip(*arms, strict=True))
    return np.asarray(control * treatment / np.maximum(control + treatment, 1.0))


def _inverse_square(error: Floats) -> Floats:
    """Return 1/standard error². Means of the same clusters over more days move with independent increments in it: the
    covariance of the means of j and of k > j days is the variance of the latter."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.nan_to_num(error**-2.0, posinf=0.0))


def _rising(days: Floats, raw: Floats, ready: NDArray[np.bool_]) -> Floats:
    """Return the information of the looks that are ready, made to rise; 0 before the first."""
    information = np.zeros(len(days))
    before, day_before = 0.0, 1.0
    for index in np.flatnonzero(ready):
        least = before * (1 + LEAST_STEP * (days[index] - day_before) / day_before)
        before, day_before = max(raw[index], least), days[index]
        information[index] = before
    return np.asarray(np.maximum.accumulate(information))


def _halfway(plan: AnalysisPlan, days: Floats, information: Floats, ready: NDArray[np.bool_]) -> float:
    """Return the information that a sequence of clusters is tuned for: half of the horizon's, guessed from the first
    look that is ready; without a horizon, four times that look's."""
    if not ready.any():
        return 1.0
    first = int(np.argmax(ready))
    growth = 4.0 if plan.planned_days is None else max(plan.planned_days / 2 / days[first], 1.0)
    return float(information[first] * growth)
