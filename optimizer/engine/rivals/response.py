"""How each rival answers our price changes: how likely, how soon, how far."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .panel import RivalPanel
from .reactions import FOLLOW, IGNORE, REACTIONS, UNDERCUT, Reactions, reactions

WINDOW: Final = 7
LEAST_STRENGTH, MOST_STRENGTH = 0.5, 1_000.0
ONE_OF_EACH: Final = 1.0
"""Added to every count of all rivals together: what was never seen may still happen."""

USUAL_PASS_THROUGH, USUAL_UNDERCUT = 1.0, 0.02


@dataclass(frozen=True, kw_only=True)
class RivalResponse:
    """Hold how rivals answer.

    Args:
        probability: (rival, direction, reaction) float64: ignore, follow, undercut after our cuts and raises.
        probability_sd: of the same, their posterior standard deviations.
        lag: (rival, window) float64, the probability that an answer comes after 1, 2, … periods.
        pass_through: (rival,) a follower's move over ours.
        undercut_by: (rival,) how far below us, ln.
        events: (rival, direction) int64, changes of ours that it rests on.
    """

    probability: Floats
    probability_sd: Floats
    lag: Floats
    pass_through: Floats
    undercut_by: Floats
    events: Ints

    def words(self, rival: int, direction: int) -> str:
        """Say in a sentence how a rival answers, such as "follows 62 % of our cuts, after 2.1 periods"."""
        chances = dict(zip(REACTIONS, self.probability[rival, direction], strict=True))
        ours, wait = ("cuts", "raises")[direction], float(self.lag[rival] @ np.arange(1, self.lag.shape[1] + 1))
        return (
            f"follows {chances['follow']:.0%} of our {ours}, undercuts after {chances['undercut']:.0%}, leaves "
            f"{chances['ignore']:.0%} be; answers after {wait:.1f} periods; from "
            f"{self.events[rival, direction]} changes"
        )


def learn_response(panel: RivalPanel, *, window: int = WINDOW) -> RivalResponse:
    """Learn how rivals answer our changes, each shrunk to what all do.

    Shares are Dirichlet around those of all rivals; how strongly, is learned from how much rivals differ. Stale and
    absurd offers are left out.

    Use it for `best_response`, and to see who would follow a raise.

    Source: Minka (2000), "Estimating a Dirichlet distribution", for the strength.
    """
    seen = reactions(panel.usable(), window=window)
    rivals = int(panel.rival.max()) + 1 if len(panel.rival) else 0
    kinds = np.zeros((rivals, 2, len(REACTIONS)))
    np.add.at(kinds, (seen.rival, seen.direction, seen.kind), 1)
    lags = np.zeros((rivals, window))
    answered = seen.kind != IGNORE
    np.add.at(lags, (seen.rival[answered], seen.lag[answered] - 1), 1)
    shares = [_shrunk(kinds[:, direction]) for direction in range(2)]
    return RivalResponse(
        probability=np.stack([share for share, _ in shares], axis=1),
        probability_sd=np.stack([sd for _, sd in shares], axis=1),
        lag=_shrunk(lags)[0],
        pass_through=_shrunk_mean(seen, FOLLOW, rivals, USUAL_PASS_THROUGH),
        undercut_by=_shrunk_mean(seen, UNDERCUT, rivals, USUAL_UNDERCUT),
        events=kinds.sum(2).astype(np.int64),
    )


def _shrunk(counts: Floats) -> tuple[Floats, Floats]:
    """Return the posterior mean and sd of each row's shares, under a Dirichlet prior learned from all rows."""
    common = (counts.sum(0) + ONE_OF_EACH) / (counts.sum() + ONE_OF_EACH * counts.shape[1])
    total = counts.sum(1)

    def loss(log_strength: float) -> float:
        prior = np.exp(log_strength) * common
        each = gammaln(prior.sum()) - gammaln(prior.sum() + total)
        return -float((each + (gammaln(prior + counts) - gammaln(prior)).sum(1)).sum())

    bounds = (np.log(LEAST_STRENGTH), np.log(MOST_STRENGTH))
    strength = float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
    posterior = counts + strength * common
    mean = posterior / posterior.sum(1, keepdims=True)
    return mean, np.sqrt(mean * (1 - mean) / (posterior.sum(1, keepdims=True) + 1))


def _shrunk_mean(seen: Reactions, kind: int, rivals: int, usual: float) -> Floats:
    """Return each rival's mean size of a reaction, shrunk to that of all by the variances within and between.

    Pass-through is a ratio to our change: events count by its square, as in a regression through the origin.
    """
    rows = seen.kind == kind
    rival, size = seen.rival[rows], seen.size[rows]
    if not len(size):
        return np.full(rivals, usual)
    weigh = seen.change[rows] ** 2 if kind == FOLLOW else np.ones(len(size))
    count, common = np.bincount(rival, minlength=rivals), float(weigh @ size / weigh.sum())
    weighed = np.bincount(rival, weigh * size, rivals) / np.maximum(np.bincount(rival, weigh, rivals), 1e-12)
    mean = np.where(count > 0, weighed, common)
    within = float(((size - mean[rival]) ** 2).sum() / max(len(size) - (count > 0).sum(), 1))
    means = mean[count > 1]
    between = (
        max(float(means.var(ddof=1)) - within * float((1 / count[count > 1]).mean()), 0.0) if len(means) > 1 else 0.0
    )
    weight = between / np.maximum(between + within / np.maximum(count, 1), 1e-12)
    return np.where(count > 0, weight, 0.0) * (mean - common) + common
