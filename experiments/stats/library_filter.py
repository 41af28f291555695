"""Filter outcomes through a library of demand curves under several hypotheses of how demand changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from experiments.stats.demand_library import DemandLibrary
from experiments.stats.library_prior import LibraryPrior

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Singles = NDArray[np.float32]

EPOCH_ROUNDS: Final = 3
"""Steps of expectation maximisation an epoch; they add up over the epochs."""
LEAST_LOG_WEIGHT: Final = -14.0
MOST_KEPT: Final = 6
LEAST_LEARNING: Final = -7.0
"""The prior of a hypothesis with less log weight is left as it is: it costs more time than all else."""


@dataclass(frozen=True)
class Hypothesis:
    """One way in which demand may have changed so far, and what the outcomes say if it is true.

    Attributes:
        drift: share of curves that go to a neighbour in an epoch.
        born: epoch from which all contexts are as new; outcomes before it say nothing about today.
        log_weight: log posterior probability among the hypotheses.
        likelihood: (context, curve) float32, P(outcomes so far | the curve today), each row up to a factor.
        prior: over curves, learned under this hypothesis.
        base: what that prior is shrunk to.
    """

    drift: float
    born: int
    log_weight: float
    likelihood: Singles = field(repr=False)
    prior: LibraryPrior = field(repr=False)
    base: LibraryPrior = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class LibraryFilter:
    """Fold epoch after epoch of counts into a set of weighted hypotheses.

    In an epoch a context's curve stays, drifts to a neighbouring curve (``drift``, by hypothesis), or is drawn anew
    (``context_hazard``). Besides, all contexts may be drawn anew at once (``shared_hazard``): every epoch such a
    hypothesis is born, and it lives while its weight is not negligible. Weights are posterior probabilities, their
    likelihood the product over all contexts of the predictive probability of their outcomes: a jump that all share is
    found from a handful of outcomes in each.

        L_{e+1}(θ) = (1 − h)·Σ_θ' K(θ, θ') L_e(θ') P(counts_e | θ') + h·Σ_θ' π(θ') L_e(θ') P(counts_e | θ')

    L is the likelihood of the curve *today*; keeping it apart from the prior π lets π be learned all the time.

    A hypothesis that is born takes the population of curves known so far as the base of its prior, with a share of the
    first one (``new_base_share``): a jump changes the contexts, and not what contexts are like, unless outcomes say so.

    Source: forward algorithm of hidden Markov models (Rabiner 1989, section III); a hypothesis for every moment of
    change: Adams and MacKay (2007), Bayesian online changepoint detection; competing hypotheses: Raftery, Kárný and
    Ettler (2010), Online prediction under model uncertainty via dynamic model averaging.
    """

    library: DemandLibrary
    drifts: tuple[float, ...] = (0.0, 0.1)
    drift_weights: tuple[float, ...] = (0.9, 0.1)
    context_hazard: float = 0.001
    shared_hazard: float = 0.01
    new_base_share: float = 0.1

    @cached_property
    def _log_rates(self) -> tuple[Singles, Singles]:
        rates = self.library.rates.T
        return np.log(rates).astype(np.float32), np.log1p(-rates).astype(np.float32)

    def start(self, contexts: int, epoch: int) -> tuple[Hypothesis, ...]:
        """Return the hypotheses before any outcome."""
        base = LibraryPrior.base(self.library)
        return self._newborn(contexts, epoch, 0.0, base, base)

    def fold(
        self, hypotheses: Sequence[Hypothesis], purchases: Ints, rejections: Ints, epoch: int
    ) -> tuple[Hypothesis, ...]:
        """Return the hypotheses at the beginning of the next epoch.

        Args:
            hypotheses: at the beginning of ``epoch``.
            purchases, rejections: (context, arm) int64, of the decisions of ``epoch``.
            epoch: its number.
        """
        if purchases.any() or rejections.any():
            hypotheses = self.updated(hypotheses, purchases, rejections, rounds=EPOCH_ROUNDS)
        old = sorted((self._moved(one) for one in hypotheses), key=lambda one: -one.log_weight)
        kept = [one for at, one in enumerate(old) if at == 0 or (at < MOST_KEPT and one.log_weight > LEAST_LOG_WEIGHT)]
        weights = np.exp([one.log_weight for one in old])
        known = LibraryPrior(
            sum(weight * one.prior.shape_weight for weight, one in zip(weights, old, strict=True)),
            sum(weight * one.prior.level_weight for weight, one in zip(weights, old, strict=True)),
        )
        base = known.mixed(LibraryPrior.base(self.library), self.new_base_share)
        return *kept, *self._newborn(len(purchases), epoch + 1, float(np.log(self.shared_hazard)), known, base)

    def updated(
        self, hypotheses: Sequence[Hypothesis], purchases: Ints, rejections: Ints, *, rounds: int
    ) -> tuple[Hypothesis, ...]:
        """Return the hypotheses after more outcomes of the same epoch, their weights summing to 1."""
        seen, factor = self._curve_likelihood(purchases, rejections)
        likelihoods = [one.likelihood * seen for one in hypotheses]
        log_weights = np.array([one.log_weight for one in hypotheses])
        for at, (one, likelihood) in enumerate(zip(hypotheses, likelihoods, strict=True)):
            weights = one.prior.weights
            predictive = np.log(likelihood @ weights, dtype=np.float64) - np.log(
                one.likelihood @ weights, dtype=np.float64
            )
            log_weights[at] += (predictive + factor).sum()
        log_weights -= np.logaddexp.reduce(log_weights)
        news = []
        for one, likelihood, log_weight in zip(hypotheses, likelihoods, log_weights.tolist(), strict=True):
            learns = log_weight > LEAST_LEARNING
            prior = one.prior.learned(self.library, likelihood, one.base, rounds) if learns else one.prior
            news.append(Hypothesis(one.drift, one.born, log_weight, likelihood, prior, one.base))
        return tuple(news)

    def _curve_likelihood(self, purchases: Ints, rejections: Ints) -> tuple[Singles, Floats]:
        """Return (context, curve) likelihood, 1 at each row's best, and the log of the factor left out."""
        log_buy, log_leave = self._log_rates
        log = purchases.astype(np.float32) @ log_buy + rejections.astype(np.float32) @ log_leave
        best = log.max(axis=1, keepdims=True)
        return np.exp(log - best), best[:, 0].astype(np.float64)

    def _moved(self, one: Hypothesis) -> Hypothesis:
        """Let an epoch pass: curves drift, some are drawn anew."""
        likelihood: Singles = one.likelihood
        if one.drift:
            by_shape = likelihood.reshape(len(likelihood), len(self.library.shapes), -1)
            shape_drift = self.library.shape_drift.astype(np.float32)
            drifted = (shape_drift @ by_shape) @ self.library.level_drift.astype(np.float32).T
            likelihood = ((1 - one.drift) * by_shape + one.drift * drifted).reshape(likelihood.shape).astype(np.float32)
        anew = (likelihood @ one.prior.weights)[:, None]
        likelihood = (1 - self.context_hazard) * likelihood + self.context_hazard * anew
        likelihood = np.asarray(likelihood / likelihood.max(axis=1, keepdims=True))
        return Hypothesis(one.drift, one.born, one.log_weight, likelihood, one.prior, one.base)

    def _newborn(
        self, contexts: int, epoch: int, log_weight: float, prior: LibraryPrior, base: LibraryPrior
    ) -> tuple[Hypothesis, ...]:
        nothing = np.ones((contexts, len(self.library.rates)), np.float32)
        return tuple(
            Hypothesis(drift, epoch, log_weight + float(np.log(weight)), nothing, prior, base)
            for drift, weight in zip(self.drifts, self.drift_weights, strict=True)
        )
