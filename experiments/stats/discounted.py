"""Discounted Thompson sampling: older outcomes weigh less."""

from dataclasses import dataclass

import numpy as np

from experiments.stats.outcome_counts import OutcomeCounts
from experiments.stats.policy import BetaPolicy, Floats


@dataclass(frozen=True, kw_only=True)
class Discounted(BetaPolicy):
    """Weigh an outcome by γ to the power of its age in epochs.

    α = 1 + Σ_e γ^(now − e) purchases_e,  β likewise

    For demand that drifts at a steady pace. Weights belong to the epoch of the decision, not to the moment of arrival,
    so that the posterior does not depend on the order in which outcomes come. Weights that sum to 1/(1 − γ) epochs are
    as much as is ever known.

    Attributes:
        discount: γ per epoch, 0 < γ ≤ 1.

    Source: Raj and Kalyani (2017), Taming non-stationary bandits: a Bayesian approach, section 3.
    """

    discount: float = 0.97

    def __post_init__(self) -> None:
        if not 0 < self.discount <= 1:
            raise ValueError(f"discount is {self.discount}: give more than 0 and at most 1")

    def posterior(self, counts: OutcomeCounts, *, epoch: int) -> tuple[Floats, Floats]:
        seen = counts.up_to(epoch)
        age = epoch - counts.first_epoch - np.arange(len(seen.purchases))
        weight = self.discount ** np.maximum(age, 0)[:, None, None]
        return 1.0 + (weight * seen.purchases).sum(axis=0), 1.0 + (weight * seen.rejections).sum(axis=0)
