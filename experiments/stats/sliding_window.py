"""Sliding-window Thompson sampling: only the last epochs count."""

from dataclasses import dataclass

from experiments.stats.outcome_counts import OutcomeCounts
from experiments.stats.policy import BetaPolicy, Floats


@dataclass(frozen=True, kw_only=True)
class SlidingWindow(BetaPolicy):
    """Count the outcomes of decisions in the last ``window`` epochs, this one included.

    For demand that changes at unknown moments, where a bounded memory is wanted.

    Attributes:
        window: epochs, ≥ 1.

    Source: Trovò, Paladino, Restelli and Gatti (2020), Sliding-window Thompson sampling for non-stationary settings.
    """

    window: int = 30

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"window is {self.window}: give at least 1 epoch")

    def forget(self, counts: OutcomeCounts, *, epoch: int) -> None:
        # One epoch more is kept: an outcome older than the window falls into it and not into what still counts.
        counts.drop_before(epoch - self.window)

    def posterior(self, counts: OutcomeCounts, *, epoch: int) -> tuple[Floats, Floats]:
        seen = counts.up_to(epoch)
        since = max(epoch - self.window + 1 - counts.first_epoch, 0)
        return 1.0 + seen.purchases[since:].sum(axis=0), 1.0 + seen.rejections[since:].sum(axis=0)
