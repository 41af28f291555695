"""Thompson sampling with a prior that all contexts and neighbouring prices share."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import betaln

from experiments.stats.outcome_counts import OutcomeCounts
from experiments.stats.policy import BetaPolicy, Floats

STRENGTHS: Final = np.geomspace(1, 1_000, 25)
RATE_LIMITS: Final = (1e-4, 1 - 1e-4)


@dataclass(frozen=True, kw_only=True)
class PooledPrior(BetaPolicy):
    """Begin each arm at what other contexts and neighbouring prices suggest.

        α = ν·q + purchases,  β = ν·(1 − q) + rejections,  q = q_k·f_c

    q_k: purchase rate at price k over all contexts, smoothed over neighbouring prices; f_c: how much more often this
    context buys than q predicts, shrunk to 1; ν: worth of the prior in outcomes, the most likely of a grid under the
    Beta–binomial likelihood of all counts (empirical Bayes).

    For many contexts with few outcomes each whose demand may have any shape.

    Attributes:
        width: standard deviation of the smoothing, in arms; 0 smooths nothing.
        context_weight: expected purchases at which a context's own factor counts half.

    Source: Efron (2010), Large-Scale Inference, chapter 1; Casella (1985), An introduction to empirical Bayes data
    analysis; smoothing: Nadaraya (1964).
    """

    width: float = 1.0
    context_weight: float = 5.0

    def prior_mean(self, counts: OutcomeCounts, *, epoch: int) -> Floats:
        """Return q, (context, arm) float64."""
        seen = counts.up_to(epoch)
        purchases, shown = seen.purchases.sum(axis=0), (seen.purchases + seen.rejections).sum(axis=0)
        distance = np.arange(purchases.shape[1])[:, None] - np.arange(purchases.shape[1])
        kernel = np.exp(-0.5 * (distance / max(self.width, 1e-9)) ** 2)
        pooled = (kernel @ purchases.sum(axis=0) + 1.0) / (kernel @ shown.sum(axis=0) + 2.0)
        expected = (shown * pooled).sum(axis=1)
        factor = (purchases.sum(axis=1) + self.context_weight) / (expected + self.context_weight)
        return np.asarray(np.clip(pooled * factor[:, None], *RATE_LIMITS))

    def strength(self, counts: OutcomeCounts, mean: Floats, *, epoch: int) -> float:
        """Return ν."""
        seen = counts.up_to(epoch)
        purchases, rejections = seen.purchases.sum(axis=0), seen.rejections.sum(axis=0)
        likelihood = [
            (betaln(nu * mean + purchases, nu * (1 - mean) + rejections) - betaln(nu * mean, nu * (1 - mean))).sum()
            for nu in STRENGTHS
        ]
        return float(STRENGTHS[int(np.argmax(likelihood))])

    def posterior(self, counts: OutcomeCounts, *, epoch: int) -> tuple[Floats, Floats]:
        seen = counts.up_to(epoch)
        mean = self.prior_mean(counts, epoch=epoch)
        strength = self.strength(counts, mean, epoch=epoch)
        return strength * mean + seen.purchases.sum(axis=0), strength * (1 - mean) + seen.rejections.sum(axis=0)
