"""Speed of the bandits' core beside mabwiser: updates and batched decisions a second, on one core.

Both learn the same outcomes and must come to the same Beta posteriors, and their shares of arms drawn must agree. Run
with the packages of `benchmarks/peers/bandit.txt`:
``OMP_NUM_THREADS=1 .venv-peers/bin/python -m benchmarks.bandit_speed``
"""

import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mabwiser.mab import MAB, LearningPolicy
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.bandit_worlds import CONTEXTS, PRICES
from experiments.stats.beta_bernoulli import BetaBernoulli
from experiments.stats.demand_curve_bank import DemandCurveBank

OUTCOMES, DECISIONS, ROUNDS = 1_000_000, 65_536, 5
ARMS = len(PRICES)


def seconds(action: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def learn_mabwiser(contexts: np.ndarray, arms: np.ndarray, purchased: np.ndarray) -> list[MAB]:
    """Split the outcomes by context, as it must, and fit one bandit each."""
    order = np.argsort(contexts, kind="stable")
    cuts = np.searchsorted(contexts[order], np.arange(1, CONTEXTS))
    bandits = []
    rewards = purchased.astype(np.int64)
    for rows in np.split(order, cuts):
        bandit = MAB(list(range(ARMS)), LearningPolicy.ThompsonSampling(), seed=1)
        bandit.fit(arms[rows], rewards[rows])
        bandits.append(bandit)
    return bandits


def decide_mabwiser(bandits: list[MAB], contexts: np.ndarray) -> np.ndarray:
    """Draw by price, all decisions of a context in one call."""
    arms = np.empty(len(contexts), np.int64)
    for context, bandit in enumerate(bandits):
        rows = np.flatnonzero(contexts == context)
        drawn = bandit.predict_expectations([[0]] * len(rows))
        arms[rows] = (np.array([[each[arm] for arm in range(ARMS)] for each in drawn]) * PRICES).argmax(axis=1)
    return arms


def main() -> None:
    console, rng = Console(), np.random.default_rng(1)
    contexts, arms = rng.integers(0, CONTEXTS, OUTCOMES), rng.integers(0, ARMS, OUTCOMES)
    purchased = rng.random(OUTCOMES) < np.linspace(0.5, 0.05, ARMS)[arms]
    asked, worth = rng.integers(0, CONTEXTS, DECISIONS), np.tile(PRICES, (CONTEXTS, 1))
    few = rng.permutation(OUTCOMES)[:20_000]
    policies = {"Beta-Bernoulli": BetaBernoulli(draws=200), "demand-curve bank": DemandCurveBank()}
    times: dict[str, list[float]] = {}

    def record(name: str, spent: float, size: int) -> None:
        times.setdefault(name, []).append(size / spent)

    for _ in track(range(ROUNDS), "rounds", console=console):
        counts = policies["Beta-Bernoulli"].prior(CONTEXTS, ARMS)
        spent, _none = seconds(lambda counts=counts: counts.learn(contexts, arms, purchased, 0))
        record("updates: ours, any policy", spent, OUTCOMES)
        spent, bandits = seconds(lambda: learn_mabwiser(contexts, arms, purchased))
        record("updates: mabwiser, batched", spent, OUTCOMES)
        alpha, beta = BetaBernoulli().posterior(counts, epoch=0)
        for context, bandit in enumerate(bandits):
            assert [bandit._imp.arm_to_success_count[arm] for arm in range(ARMS)] == alpha[context].tolist()
            assert [bandit._imp.arm_to_fail_count[arm] for arm in range(ARMS)] == beta[context].tolist()
        # Few outcomes, so that arms compete and the shares can differ.
        counts = policies["Beta-Bernoulli"].prior(CONTEXTS, ARMS)
        counts.learn(contexts[few], arms[few], purchased[few], 0)
        bandits = learn_mabwiser(contexts[few], arms[few], purchased[few])
        shares = {}
        for name, policy in policies.items():
            policy.propensities(counts, worth, epoch=0, rng=rng)

            def decide(policy: Any = policy, counts: Any = counts) -> np.ndarray:
                return policy.choose(policy.propensities(counts, worth, epoch=0, rng=rng), asked, rng)[0]

            spent, drawn = seconds(decide)
            record(f"decisions: {name}", spent, DECISIONS)
            shares[name] = np.bincount(drawn, minlength=ARMS) / DECISIONS
        spent, drawn = seconds(lambda bandits=bandits: decide_mabwiser(bandits, asked))
        record("decisions: mabwiser, batched", spent, DECISIONS)
        peer = np.bincount(drawn, minlength=ARMS) / DECISIONS
        assert np.abs(shares["Beta-Bernoulli"] - peer).max() < 0.01, (shares["Beta-Bernoulli"], peer)
    table = Table("", "a second", title=f"{platform.machine()}, {platform.python_version()}, one core")
    for name, rates in times.items():
        table.add_row(name, f"{statistics.median(rates):,.0f}")
    console.print(table)
    console.print(f"medians of {ROUNDS} rounds; the same posteriors, arm shares within 0.01")


if __name__ == "__main__":
    main()
