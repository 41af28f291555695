"""From bounds of |z| to intervals of the effect."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from experiments.stats.inference.bayesian import Posterior, posterior_of
from experiments.stats.inference.estimate import Estimate
from experiments.stats.inference.group_sequential import stagewise_result
from experiments.stats.inference.plan import BAYESIAN, GROUP_SEQUENTIAL, AnalysisPlan
from experiments.stats.inference.verdicts import Track, Verdict, used_looks

Floats = NDArray[np.float64]
FARTHEST_Z = 37.0


def intervals_of(
    plan: AnalysisPlan, estimates: Sequence[Estimate], verdict: Verdict, track: Track
) -> tuple[Floats, Floats]:
    """Return (low, high), a look each, in the unit of the plan's effect; ±inf while nothing can be said."""
    if plan.chosen_method == BAYESIAN:
        low, high = posterior_by_look(plan, estimates).interval(1 - plan.level)
        ready = track.progress.ready
        return np.where(ready, low, -np.inf), np.where(ready, high, np.inf)
    ends = np.array([_reach(estimate, float(bound)) for estimate, bound in zip(estimates, verdict.bounds, strict=True)])
    return ends[:, 0], ends[:, 1]


def posterior_by_look(plan: AnalysisPlan, estimates: Sequence[Estimate]) -> Posterior:
    """Combine the plan's prior with the estimate of each look: arrays (look,)."""
    return posterior_of(
        np.array([float(estimate.effect) for estimate in estimates]),
        np.array([float(estimate.standard_error) for estimate in estimates]),
        prior_mean=plan.prior_mean,
        prior_sd=np.inf if plan.prior_sd is None else plan.prior_sd,
        higher_is_better=plan.higher_is_better,
    )


def adjusted_estimate(
    plan: AnalysisPlan, track: Track, verdict: Verdict, stop: int | None
) -> tuple[float, float, float] | None:
    """Return (estimate, low, high) without the luck of stopping, where a group-sequential test crossed at ``stop``."""
    if plan.chosen_method != GROUP_SEQUENTIAL or stop is None:
        return None
    used = used_looks(track.progress)
    used = used[used <= stop]
    result = stagewise_result(
        float(track.z[stop]),
        float(track.standard_error[stop]),
        track.progress.information[used],
        verdict.bounds[used],
        alpha=plan.level,
        sides=plan.sides,
    )
    sign = 1.0 if plan.higher_is_better else -1.0
    low, high = sorted((sign * result.low, sign * result.high))
    return sign * result.estimate, low, high


def _reach(estimate: Estimate, bound: float) -> tuple[float, float]:
    """Return the effects that are fewer than ``bound`` standard errors away, by t where degrees are few."""
    half = _t_multiplier(bound, float(estimate.degrees_of_freedom)) * float(estimate.standard_error)
    if not np.isfinite(half) or not np.isfinite(estimate.effect):
        return -np.inf, np.inf
    return float(estimate.effect - half), float(estimate.effect + half)


def _t_multiplier(bound: float, degrees_of_freedom: float) -> float:
    if not np.isfinite(degrees_of_freedom) or not np.isfinite(bound):
        return bound
    return float(-stdtrit(max(degrees_of_freedom, 1.0), ndtr(-min(bound, FARTHEST_Z))))
