"""Beta–Bernoulli Thompson sampling: the reference."""

from dataclasses import dataclass

from experiments.stats.outcome_counts import OutcomeCounts
from experiments.stats.policy import BetaPolicy, Floats


@dataclass(frozen=True, kw_only=True)
class BetaBernoulli(BetaPolicy):
    """Learn every arm by itself, from all that was ever seen.

    α = a + purchases,  β = b + rejections

    The plainest policy: right for demand of any shape that does not change, and slow, because a price teaches nothing
    about its neighbours.

    Source: Thompson (1933); Russo et al. (2018), A Tutorial on Thompson Sampling, section 3.
    """

    prior_purchases: float = 1.0
    prior_rejections: float = 1.0

    def posterior(self, counts: OutcomeCounts, *, epoch: int) -> tuple[Floats, Floats]:
        seen = counts.up_to(epoch)
        return self.prior_purchases + seen.purchases.sum(axis=0), self.prior_rejections + seen.rejections.sum(axis=0)
