"""How far a test is: information for its bounds, time for its spending."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.stats.inference.estimates import (
    Estimate,
    cuped_difference,
    difference_of_means,
    paired_difference,
    ratio_of_sums,
)
from experiments.stats.inference.plan import PAIRED, RATIO, SWITCHBACK, AnalysisPlan, Look
from experiments.stats.inference.switchback import switchback_difference

Floats = NDArray[np.float64]
LEAST_STEP = 0.1
"""Where clusters' information, as estimated, stands still, it is taken to grow by this part of the days' share. Less
correlated looks make wider bounds, so this errs to the safe side."""


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
        return switchback_difference(look.slots, relative=share)
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
    if not plan.is_clustered:
        return Progress(_visitor_information(looks), time, units / plan.sequence_n, ready)
    information = _cluster_information(days, error, ready)
    first = information[ready][0] if ready.any() else 1.0
    # Tuned for the information of half the horizon; without one, for four times that of the first look.
    halfway = first * (max(plan.planned_days / 2 / days[ready][0], 1.0) if plan.planned_days and ready.any() else 4.0)
    return Progress(information, time, information / halfway, ready)


def _time(plan: AnalysisPlan, days: Floats, units: Floats) -> Floats:
    if not plan.has_horizon:
        return np.full(len(days), np.nan)
    time = np.zeros(len(days))
    if plan.planned_n is not None and not plan.is_clustered:
        time = units / plan.planned_n
        if plan.planned_days is not None:
            time = np.where(days >= plan.planned_days, 1.0, time)
    elif plan.planned_days is not None:
        time = days / plan.planned_days
    return np.asarray(np.maximum.accumulate(np.minimum(time, 1.0)))


def _visitor_information(looks: Sequence[Look]) -> Floats:
    """Return n_a·n_b/(n_a + n_b): the variance of a difference of means is inverse to it."""
    arms = np.array(
        [
            (float(look.control.n), float(look.treatment.n))
            for look in looks  # type: ignore[union-attr]
        ]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.nan_to_num(arms[:, 0] * arms[:, 1] / arms.sum(1))
    return np.asarray(np.maximum.accumulate(information))


def _cluster_information(days: Floats, error: Floats, ready: NDArray[np.bool_]) -> Floats:
    """Return 1/standard error², made to rise. Means of the same clusters over more days move with independent
    increments in it: cov(mean of j days, mean of k > j days) is the variance of the latter."""
    information = np.zeros(len(days))
    before, day_before = 0.0, 0.0
    for index in np.flatnonzero(ready):
        least = before * (1 + LEAST_STEP * (days[index] - day_before) / max(day_before, 1.0))
        before, day_before = max(error[index] ** -2.0, least), days[index]
        information[index] = before
    return np.asarray(np.maximum.accumulate(information))
