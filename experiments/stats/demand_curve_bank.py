"""The default policy: Thompson sampling over a library of demand curves that notices when demand changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from experiments.stats.demand_library import DemandLibrary, demand_library
from experiments.stats.library_filter import Hypothesis, LibraryFilter, Singles
from experiments.stats.outcome_counts import Ints, OutcomeCounts
from experiments.stats.policy import BanditPolicy, Floats
from experiments.stats.thompson import with_floor

BELIEF_ROUNDS: Final = 5
NEGLIGIBLE: Final = 1e-3
OLDEST_FOLD: Final = 31
KEPT_EPOCHS: Final = 100


@dataclass(frozen=True)
class _Fold:
    """The hypotheses at the beginning of an epoch, and the counts that made them."""

    epoch: int
    hypotheses: tuple[Hypothesis, ...]
    purchases: Ints
    rejections: Ints

    def comes_from(self, counts: OutcomeCounts) -> bool:
        rows = self.epoch - counts.first_epoch
        return (
            0 <= rows <= len(counts.purchases)
            and np.array_equal(self.purchases, counts.purchases[:rows])
            and np.array_equal(self.rejections, counts.rejections[:rows])
        )

    def news_in(self, counts: OutcomeCounts) -> tuple[Ints, Ints] | None:
        """Return the purchases and rejections that came since, (context, arm) each; None if others went into it."""
        rows = self.epoch - counts.first_epoch
        if rows != len(self.purchases) or self.hypotheses[0].likelihood.shape[0] != counts.purchases.shape[1]:
            return None
        pairs = ((counts.purchases, self.purchases), (counts.rejections, self.rejections))
        if any((now[:rows] < then).any() for now, then in pairs):
            return None
        bought, left = (now.sum(axis=0) - then.sum(axis=0) for now, then in pairs)
        return bought, left


@dataclass(frozen=True, kw_only=True)
class DemandCurveBank(BanditPolicy):
    """Learn which demand curve each context has, how common curves are, and when demand changed.

    The belief about a context is a weight for every curve of `demand_library`: the posterior under each hypothesis of
    `LibraryFilter`, averaged by the hypotheses' weights. Two ways of drawing an arm are mixed:

        π = ε·P(arm is best for one curve drawn) + (1 − ε)·P(arm is best for the mean of n curves drawn)

    One curve is Thompson sampling, which in the end finds the best arm whatever the posterior looks like. The mean of n
    has a standard error √n times smaller, so it explores less: better wherever the horizon is short against what one
    outcome tells. ε is ``single_share`` times the share of outcomes that were purchases, because the rarer they are the
    less an outcome tells. While outcomes are on their way, what has been decided will teach already: n is multiplied by
    (1 + decisions)/(1 + outcomes) of all contexts, and ε divided by it.

    For prices on an evenly spaced ladder. It is the default: see docs/adr/0018-default-bandit-policy.md for what it
    was measured against.

    Attributes:
        samples: n, ≥ 1.
        single_share: ε if every outcome were a purchase, 0 to 1.
        draws: Monte Carlo draws behind the second term; the first is exact.
        context_hazard, shared_hazard, drifts: of `LibraryFilter`.

    Speed: 100 contexts × 11 prices: 30 ms for a set of propensities, on one core.

    Source: Thompson (1933); empirical Bayes: Laird (1978); change: Adams and MacKay (2007); a narrower
    posterior for less exploration: Chapelle and Li (2011), An empirical evaluation of Thompson sampling.
    """

    draws: int = 100
    samples: int = 20
    single_share: float = 0.3
    context_hazard: float = 0.001
    shared_hazard: float = 0.01
    drifts: tuple[float, ...] = (0.0, 0.1)
    _folds: list[_Fold] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.samples < 1 or self.draws < 1:
            raise ValueError(f"samples is {self.samples}, draws is {self.draws}: give at least 1")
        if not 0 <= self.single_share <= 1:
            raise ValueError(f"single_share is {self.single_share}: give 0 to 1")

    def forget(self, counts: OutcomeCounts, *, epoch: int) -> None:
        # In blocks, because merging means folding everything again.
        if epoch - counts.first_epoch >= 2 * KEPT_EPOCHS:
            counts.merge_before(epoch - KEPT_EPOCHS)

    def hypotheses(self, counts: OutcomeCounts, *, epoch: int) -> tuple[Hypothesis, ...]:
        """Return the hypotheses after all outcomes of decisions up to ``epoch``.

        A function of the counts: epochs are folded in their order, from the last one whose past is as it was when it
        was folded before, so that a late outcome costs time and changes no result.
        """
        seen = counts.up_to(epoch)
        filtered = self._filter(counts.purchases.shape[2])
        fold = self._fold_until(filtered, seen, min(epoch, seen.end_epoch - 1))
        at = fold.epoch - seen.first_epoch
        return filtered.updated(fold.hypotheses, seen.purchases[at], seen.rejections[at], rounds=BELIEF_ROUNDS)

    def _quick(self, counts: OutcomeCounts, epoch: int) -> tuple[Hypothesis, ...]:
        """As `hypotheses`, but what came late since this epoch began counts as if it were of this epoch.

        Folding the past again takes up to a second; it is done once an epoch.
        """
        seen = counts.up_to(epoch)
        fold = self._folds[-1] if self._folds else None
        if fold and fold.epoch == min(epoch, seen.end_epoch - 1) and (news := fold.news_in(seen)):
            filtered = self._filter(counts.purchases.shape[2])
            return filtered.updated(fold.hypotheses, *news, rounds=BELIEF_ROUNDS)
        return self.hypotheses(counts, epoch=epoch)

    def belief(self, counts: OutcomeCounts, *, epoch: int) -> Singles:
        """Return (context, curve) float32, the posterior of each context's curve; rows sum to 1."""
        return _averaged(self.hypotheses(counts, epoch=epoch))

    def propensities(self, counts: OutcomeCounts, worth: Floats, *, epoch: int, rng: np.random.Generator) -> Floats:
        present = ~np.isnan(worth)
        belief = _averaged(self._quick(counts, epoch))
        seen = counts.up_to(epoch)
        decided, purchases, rejections = (int(each.sum()) for each in (seen.decided, seen.purchases, seen.rejections))
        outcomes = purchases + rejections
        waiting = max((1 + decided) / (1 + outcomes), 1.0)
        library = self._filter(worth.shape[1]).library
        single = _shares_of_one(belief, library.rates, worth)
        mean = _shares_of_means(belief, library, worth, self.samples * waiting, self.draws, rng)
        share = self.single_share * purchases / (1 + outcomes) / waiting
        return with_floor(share * single + (1 - share) * mean, present, self.floor)

    def _filter(self, arms: int) -> LibraryFilter:
        return _filter(arms, self.drifts, self.context_hazard, self.shared_hazard)

    def _fold_until(self, filtered: LibraryFilter, counts: OutcomeCounts, epoch: int) -> _Fold:
        """Return the fold at the beginning of an epoch, made from the newest one that still holds."""
        usable = [fold for fold in self._folds if fold.epoch <= epoch and fold.comes_from(counts)]
        if usable:
            fold = usable[-1]
        else:
            none = counts.purchases[:0]
            start = filtered.start(counts.purchases.shape[1], counts.first_epoch)
            fold = _Fold(counts.first_epoch, start, none, none)
        folds = [*usable] or [fold]
        while fold.epoch < epoch:
            row = fold.epoch - counts.first_epoch
            news = filtered.fold(fold.hypotheses, counts.purchases[row], counts.rejections[row], fold.epoch)
            fold = _Fold(fold.epoch + 1, news, counts.purchases[: row + 1].copy(), counts.rejections[: row + 1].copy())
            folds.append(fold)
        self._folds[:] = [each for each in folds if _is_kept(each.epoch, age=fold.epoch - each.epoch)]
        return fold


def _is_kept(epoch: int, *, age: int) -> bool:
    """Keep ever fewer folds the older they are, six in all: 100 contexts take 20 MB each.

    What comes late is then folded from one that is at most twice as old.
    """
    return age < 2 or (age <= OLDEST_FOLD and epoch % (1 << (age.bit_length() - 1)) == 0)


@lru_cache(maxsize=64)
def _filter(arms: int, drifts: tuple[float, ...], context_hazard: float, shared_hazard: float) -> LibraryFilter:
    return LibraryFilter(
        library=demand_library(arms), drifts=drifts, context_hazard=context_hazard, shared_hazard=shared_hazard
    )


def _averaged(hypotheses: Sequence[Hypothesis]) -> Singles:
    belief = np.zeros_like(hypotheses[0].likelihood)
    for one in hypotheses:
        weight = np.exp(one.log_weight)
        if weight > NEGLIGIBLE:
            prior = one.prior.weights
            belief += one.likelihood * ((weight / (one.likelihood @ prior)).astype(np.float32)[:, None] * prior)
    return belief


def _shares_of_one(belief: Singles, rates: Floats, worth: Floats) -> Floats:
    """Return the weight of the curves for which each arm is the best: exact."""
    shares = np.zeros(worth.shape)
    different, which = np.unique(worth, axis=0, return_inverse=True)
    for at, row in enumerate(different):
        best = np.where(np.isnan(row), -np.inf, rates * row).argmax(axis=1)
        rows = which.ravel() == at
        shares[rows] = belief[rows] @ (best[:, None] == np.arange(len(row))).astype(np.float32)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _shares_of_means(
    belief: Singles, library: DemandLibrary, worth: Floats, samples: float, draws: int, rng: np.random.Generator
) -> Floats:
    """Return in which share of draws each arm is the best for the mean of so many curves: Monte Carlo.

    The mean is drawn from the normal distribution with its expectation and covariance: of ten curves it is nearly one.
    """
    arms = worth.shape[1]
    total = belief.sum(axis=1, keepdims=True)
    mean = (belief @ library.rates.astype(np.float32) / total).astype(np.float64)
    moments = (belief @ library.rate_products / total).reshape(-1, arms, arms).astype(np.float64)
    covariance = (moments - mean[:, :, None] * mean[:, None]) / samples
    scale, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(scale, 0.0))[:, None]
    drawn = mean[:, None] + rng.standard_normal((len(worth), draws, arms)) @ root.transpose(0, 2, 1)
    rewards = np.where(np.isnan(worth)[:, None], -np.inf, drawn * worth[:, None])
    return np.asarray((rewards.argmax(axis=2)[..., None] == np.arange(arms)).mean(axis=1))
