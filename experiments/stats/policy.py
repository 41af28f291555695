"""The verbs that all price bandits share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.stats.outcome_counts import OutcomeCounts
from experiments.stats.thompson import choice_probabilities, choose_arms

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class BanditPolicy(ABC):
    """Decide prices from counts of outcomes. The object holds hyper-parameters; what was learned is in the counts.

    The life of a bandit is ``prior``, then over and over ``propensities``, ``choose``, ``learn``, and ``forget`` once
    an epoch. Several policies can learn from one stream, whoever of them decided: none needs to have drawn the price
    that an outcome answers.

    Attributes:
        floor: least probability of every arm that is present, 0 to 1/n.
        draws: Monte Carlo draws behind a set of propensities, where they have no closed form. Arms are drawn from the
            very probabilities that are returned, so a kept propensity has no Monte Carlo error.
    """

    floor: float = 0.0
    draws: int = 200

    def prior(self, contexts: int, arms: int, *, first_epoch: int = 0) -> OutcomeCounts:
        """Return the state before anything was seen."""
        return OutcomeCounts.empty(contexts, arms, first_epoch=first_epoch)

    def learn(
        self, counts: OutcomeCounts, contexts: ArrayLike, arms: ArrayLike, purchased: ArrayLike, epochs: ArrayLike
    ) -> None:
        """Count outcomes in place, as `OutcomeCounts.learn` does; in any order, each once."""
        counts.learn(contexts, arms, purchased, epochs)

    def forget(self, counts: OutcomeCounts, *, epoch: int) -> None:  # noqa: B027  a policy may well forget nothing
        """Let go, in place, of what this policy will not look at in this epoch or later."""

    @abstractmethod
    def propensities(self, counts: OutcomeCounts, worth: Floats, *, epoch: int, rng: np.random.Generator) -> Floats:
        """Return with which probability each arm is played now.

        Args:
            counts: what has been seen; epochs after ``epoch`` are not looked at.
            worth: (context, arm) float64, currency per purchase; NaN where an arm is absent.
            epoch: the epoch of the decision.
            rng: source of Monte Carlo draws.

        Returns:
            (context, arm) float64; rows sum to 1.
        """

    def choose(self, propensities: Floats, contexts: ArrayLike, rng: np.random.Generator) -> tuple[Ints, Floats]:
        """Draw an arm for each (decision,) context; return the arms and their propensities, > 0."""
        rows = propensities[np.asarray(contexts)]
        return choose_arms(rows, rng.random(len(rows)))


@dataclass(frozen=True, kw_only=True)
class BetaPolicy(BanditPolicy):
    """Thompson sampling where every arm's purchase probability has a Beta posterior of its own."""

    @abstractmethod
    def posterior(self, counts: OutcomeCounts, *, epoch: int) -> tuple[Floats, Floats]:
        """Return α and β, (context, arm) float64 each: a function of the counts, the same in whatever order."""

    def propensities(self, counts: OutcomeCounts, worth: Floats, *, epoch: int, rng: np.random.Generator) -> Floats:
        alpha, beta = self.posterior(counts, epoch=epoch)
        return choice_probabilities(alpha, beta, worth, rng, draws=self.draws, floor=self.floor)
