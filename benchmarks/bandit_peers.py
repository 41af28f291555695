"""Policies of the regret benchmark: ours, and peers where `benchmarks/peers/bandit.txt` is installed."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.bandit_worlds import CONTEXTS, EPOCH, PRICES
from experiments.stats.beta_bernoulli import BetaBernoulli
from experiments.stats.change_point import ChangePointRestart
from experiments.stats.demand_curve_bank import DemandCurveBank
from experiments.stats.discounted import Discounted
from experiments.stats.hierarchical_logistic import HierarchicalLogistic
from experiments.stats.policy import BanditPolicy
from experiments.stats.pooled_prior import PooledPrior
from experiments.stats.sliding_window import SlidingWindow

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Player(Protocol):
    """What the benchmark asks of a policy: prices for a batch of contexts, and to learn from earlier outcomes."""

    def choose(self, contexts: Ints, at: int) -> Ints: ...

    def learn(self, contexts: Ints, arms: Ints, purchased: Bools, decided_at: Ints) -> None: ...


class Ours:
    def __init__(self, policy: BanditPolicy, rng: np.random.Generator, worth: NDArray[np.float64] = PRICES) -> None:
        self.policy, self.rng, self.worth = policy, rng, np.tile(worth, (CONTEXTS, 1))
        self.counts = policy.prior(CONTEXTS, len(PRICES))

    def choose(self, contexts: Ints, at: int) -> Ints:
        epoch = at // EPOCH
        self.policy.forget(self.counts, epoch=epoch)
        propensities = self.policy.propensities(self.counts, self.worth, epoch=epoch, rng=self.rng)
        arms, _propensity = self.policy.choose(propensities, contexts, self.rng)
        self.counts.record_decisions(contexts, arms, epoch)
        return arms

    def learn(self, contexts: Ints, arms: Ints, purchased: Bools, decided_at: Ints) -> None:
        self.policy.learn(self.counts, contexts, arms, purchased, decided_at // EPOCH)


class Uniform:
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def choose(self, contexts: Ints, at: int) -> Ints:
        return self.rng.integers(0, len(PRICES), len(contexts))

    def learn(self, contexts: Ints, arms: Ints, purchased: Bools, decided_at: Ints) -> None:
        pass


class Mabwiser:
    """One MAB a context, Thompson sampling; its posterior draws are weighted by price."""

    def __init__(self, rng: np.random.Generator) -> None:
        from mabwiser.mab import MAB, LearningPolicy

        self.bandits: list[Any] = []
        for _ in range(CONTEXTS):
            bandit = MAB(list(range(len(PRICES))), LearningPolicy.ThompsonSampling(), seed=int(rng.integers(2**31)))
            bandit.fit([0], [0])
            # A fit needs an outcome; taken back here, so that it begins at Beta(1, 1).
            bandit._imp.arm_to_fail_count[0] -= 1
            self.bandits.append(bandit)

    def choose(self, contexts: Ints, at: int) -> Ints:
        arms = np.empty(len(contexts), np.int64)
        for row, context in enumerate(contexts):
            drawn = self.bandits[context].predict_expectations()
            arms[row] = max(drawn, key=lambda arm: drawn[arm] * PRICES[arm])
        return arms

    def learn(self, contexts: Ints, arms: Ints, purchased: Bools, decided_at: Ints) -> None:
        for context in np.unique(contexts):
            rows = contexts == context
            self.bandits[context].partial_fit(arms[rows], purchased[rows].astype(np.int64))


class VowpalWabbit:
    """Contextual bandit with action-dependent features: context, price and their pairs; cost −price × purchase / 30."""

    def __init__(self, rng: np.random.Generator, explorer: str) -> None:
        from vowpalwabbit import Workspace

        self.rng = rng
        self.model = Workspace(f"--cb_explore_adf {explorer} -q ca --quiet --random_seed {int(rng.integers(1, 2**31))}")
        self.actions = [f"|a arm={arm} price:{price / 30:.3f}" for arm, price in enumerate(PRICES)]
        self.waiting: dict[tuple[int, int], list[float]] = {}

    def choose(self, contexts: Ints, at: int) -> Ints:
        arms = np.empty(len(contexts), np.int64)
        for row, context in enumerate(contexts):
            probabilities = np.array(self.model.predict([f"shared |c context={context}", *self.actions]))
            arms[row] = self.rng.choice(len(PRICES), p=probabilities / probabilities.sum())
            self.waiting.setdefault((int(context), int(arms[row])), []).append(float(probabilities[arms[row]]))
        return arms

    def learn(self, contexts: Ints, arms: Ints, purchased: Bools, decided_at: Ints) -> None:
        for context, arm, bought in zip(contexts.tolist(), arms.tolist(), purchased.tolist(), strict=True):
            probability = max(self.waiting[context, arm].pop(0), 1e-6)
            cost = -PRICES[arm] / 30 * bought
            labelled = list(self.actions)
            labelled[arm] = f"{arm}:{cost:.5f}:{probability:.6f} {labelled[arm]}"
            self.model.learn([f"shared |c context={context}", *labelled])


Maker = Callable[[np.random.Generator], Player]

OURS: Final[dict[str, Maker]] = {
    "demand-curve bank (default)": lambda rng: Ours(DemandCurveBank(), rng),
    "Beta-Bernoulli, by price": lambda rng: Ours(BetaBernoulli(draws=50), rng),
    "Beta-Bernoulli, by purchases alone": lambda rng: Ours(BetaBernoulli(draws=50), rng, np.ones(len(PRICES))),
    "discounted": lambda rng: Ours(Discounted(draws=50), rng),
    "sliding window": lambda rng: Ours(SlidingWindow(draws=50), rng),
    "change-point restart": lambda rng: Ours(ChangePointRestart(draws=50), rng),
    "pooled prior": lambda rng: Ours(PooledPrior(draws=50), rng),
    "hierarchical logistic": lambda rng: Ours(HierarchicalLogistic(draws=50), rng),
    "random": Uniform,
}
PEERS: Final[dict[str, tuple[str, Maker]]] = {
    "mabwiser 2.7, by price": ("mabwiser", Mabwiser),
    "Vowpal Wabbit, squarecb": ("vowpalwabbit", lambda rng: VowpalWabbit(rng, "--squarecb")),
    "Vowpal Wabbit, cover 5": ("vowpalwabbit", lambda rng: VowpalWabbit(rng, "--cover 5")),
    "Vowpal Wabbit, epsilon 0.05": ("vowpalwabbit", lambda rng: VowpalWabbit(rng, "--epsilon 0.05")),
}


def players() -> dict[str, Maker]:
    """Return every policy that can play here, by name."""
    return OURS | {name: maker for name, (module, maker) in PEERS.items() if find_spec(module)}
