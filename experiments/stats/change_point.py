"""Thompson sampling that starts again where demand has changed."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln

from experiments.stats.outcome_counts import Ints, OutcomeCounts
from experiments.stats.policy import BetaPolicy, Floats


@dataclass(frozen=True, kw_only=True)
class ChangePointRestart(BetaPolicy):
    """Learn from the outcomes since the last change only.

    For a context and a moment τ, the evidence of a change is the Bayes factor

        ln B(τ) = ln m(before τ) + ln m(from τ) − ln m(all),   m = Π_k B(1 + purchases_k, 1 + rejections_k)

    with B the Beta function. A change counts where ln B + ln(hazard) > 0 at the best τ; what came before is forgotten,
    and the rest is searched again. First the sum over all contexts is searched, which finds a change that all share
    long before any context could, then each context by itself. A change is shared only where ln B > 0 for most
    contexts: one that jumps alone does not make the others forget.

    For demand that jumps. It looks at counts only, so late outcomes may move a change point, as they should.

    Attributes:
        hazard: prior probability of a change at any one epoch, 0 to 1; the smaller, the fewer false alarms.
        shared: whether to look for changes that all contexts share.

    Source: Mellor and Shapiro (2013), Thompson sampling in switching environments with Bayesian online change
    detection; the search: binary segmentation (Scott and Knott 1974).
    """

    hazard: float = 0.001
    shared: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.hazard < 1:
            raise ValueError(f"hazard is {self.hazard}: give more than 0 and less than 1")

    def change_points(self, counts: OutcomeCounts, *, epoch: int) -> Ints:
        """Return (context,) int64, the epoch from which each context is learned; the first epoch where none changed."""
        seen = counts.up_to(epoch)
        outcomes = np.stack([seen.purchases, seen.rejections])
        start = np.zeros(outcomes.shape[2], np.int64)
        if self.shared:
            while (found := self._last_change(_shared(self._evidence(outcomes[:, start[0] :])))) > 0:
                start += found
        for context in range(len(start)):
            own = outcomes[:, :, context : context + 1]
            while (found := self._last_change(self._evidence(own[:, start[context] :])[:, 0])) > 0:
                start[context] += found
        return counts.first_epoch + start

    def posterior(self, counts: OutcomeCounts, *, epoch: int) -> tuple[Floats, Floats]:
        seen = counts.up_to(epoch)
        row = counts.first_epoch + np.arange(len(seen.purchases))
        since = (row[:, None] >= self.change_points(counts, epoch=epoch))[:, :, None]
        return 1.0 + (since * seen.purchases).sum(axis=0), 1.0 + (since * seen.rejections).sum(axis=0)

    def _last_change(self, evidence: Floats) -> int:
        """Return the row of the likeliest change, 0 for none."""
        if len(evidence) < 2:
            return 0
        best = int(evidence[1:].argmax()) + 1
        return best if evidence[best] + np.log(self.hazard) > 0 else 0

    @staticmethod
    def _evidence(outcomes: Ints) -> Floats:
        """Return ln B, (epoch, context), of a change before each row of (2, epoch, context, arm) outcomes."""
        through = outcomes.cumsum(axis=1)
        total = through[:, -1:]
        before = np.concatenate([np.zeros_like(total), through[:, :-1]], axis=1)
        after = total - before
        return np.asarray(sum(_marginal(part) for part in (before, after)) - _marginal(total))


def _shared(evidence: Floats) -> Floats:
    """Return the sum over contexts, −∞ where most of them speak against a change."""
    return np.asarray(np.where((evidence > 0).mean(axis=1) > 0.5, evidence.sum(axis=1), -np.inf))


def _marginal(outcomes: Ints) -> Floats:
    return np.asarray(betaln(1 + outcomes[0], 1 + outcomes[1]).sum(axis=-1))
