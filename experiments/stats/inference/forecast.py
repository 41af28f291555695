"""How many more days a test is expected to run at this rate."""

import numpy as np
from numpy.typing import NDArray

from experiments.stats.inference.confidence_sequence import sequence_multiplier
from experiments.stats.inference.group_sequential import SpendingPlan
from experiments.stats.inference.plan import GROUP_SEQUENTIAL, AnalysisPlan
from experiments.stats.inference.progress import Progress
from experiments.stats.inference.verdicts import used_looks

Floats = NDArray[np.float64]
FARTHEST = 10.0
"""A decision further away than so many times the days so far is not in sight."""
MOST_STEPS = 100


def remaining_days(plan: AnalysisPlan, z: Floats, progress: Progress, days: Floats) -> float | None:
    """Return the days until the bound is expected to be reached if today's effect is the true one.

    z grows with √information, and information in proportion to days. A planned test ends at its horizon at the latest;
    without one, None where the bound is not reached within ten times the days so far, or nothing is known yet.
    """
    if plan.has_horizon:
        share = float(progress.time[-1])
        if share <= 0:
            return None
        to_horizon = float(days[-1] * (1 / share - 1))
        if plan.chosen_method == GROUP_SEQUENTIAL and progress.ready[-1]:
            return min(to_horizon, _to_bound(plan, z, progress, days))
        return to_horizon
    if not progress.ready[-1]:
        return None
    factor = np.geomspace(1.0, 1 + FARTHEST, 400)
    bounds = np.asarray(sequence_multiplier(progress.tuned[-1] * factor, plan.level, plan.sides))
    reached = np.abs(z[-1]) * np.sqrt(factor) >= bounds
    return float((factor[np.argmax(reached)] - 1) * days[-1]) if reached.any() else None


def _to_bound(plan: AnalysisPlan, z: Floats, progress: Progress, days: Floats) -> float:
    """Look ahead day by day (or in a hundredth of what is left, where that is longer), up to the horizon."""
    used, share = used_looks(progress), float(progress.time[-1])
    left = float(days[-1] * (1 / share - 1))
    step = max(1.0, left / MOST_STEPS)
    steps = int(np.ceil(left / step - 1e-6))
    if steps < 1:
        return 0.0
    ahead = np.minimum(np.arange(1, steps + 1) * step, left)
    growth = 1 + ahead / days[-1]
    information = np.r_[progress.information[used], progress.information[-1] * growth]
    time = np.r_[progress.time[used], np.minimum(share * growth, 1.0)]
    spending = SpendingPlan(plan.level, plan.sides, plan.spending, plan.spending_parameter)
    bounds = spending.bounds(information, time)[len(used) :]
    reached = np.abs(z[-1]) * np.sqrt(growth) >= bounds
    return float(ahead[np.argmax(reached)]) if reached.any() else left
