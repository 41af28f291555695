"""How a policy ranks beside the exact optimum and the simple policies: what a release gate judges by."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.engine.horizon import (
    HorizonProblem,
    Policy,
    best_static_price,
    evaluate_policy,
    hold_price,
    resolved_fluid,
    share_of_optimum,
    solve_steps,
    step_towards,
)
from optimizer.engine.horizon.ladder import Ladder

from .greedy import greedy_policy
from .network import QNetwork

MAX_STATES: Final = 50_000_000
"""States of all problems together that are solved: 400 MB for a table of values, a minute or so of one core."""


@dataclass(frozen=True, slots=True)
class Score:
    """Hold shares of the exact optimum of the five steps, over problems.

    Args:
        mean: 1 is the optimum.
        worst: the share that the worst 5 % of the problems do not exceed.
    """

    mean: float
    worst: float


@dataclass(frozen=True, slots=True)
class PolicyScores:
    """Hold what each policy earned on the same problems.

    Args:
        problems: how many of them earn anything.
        scores: by name: `dqn`, `fluid`, `static`, `hold` and `exact`.
    """

    problems: int
    scores: dict[str, Score]

    def ranking(self) -> tuple[str, ...]:
        """Return the names, the highest mean share first; of equal ones in the order of their names."""
        return tuple(sorted(self.scores, key=lambda name: (-self.scores[name].mean, name)))

    def best_learned_or_simple(self) -> str:
        """Return the name of the best policy that needs no exact solution."""
        return next(name for name in self.ranking() if name != "exact")


def score_policies(network: QNetwork, problem: HorizonProblem, *, max_states: int = MAX_STATES) -> PolicyScores:
    """Compare the network with the exact optimum, fluid, the best static price and holding, each evaluated exactly.

    Args:
        problem: problems that the network was not trained on.
        max_states: how many places the table of the exact optimum may have.

    Raises:
        ValueError: the exact optimum would cost more than that, or no problem earns anything.
    """
    states = exact_states(problem)
    if states > max_states:
        raise ValueError(f"problem: {states:,} states to solve, {max_states:,} allowed; give fewer or smaller problems")
    optimum = solve_steps(problem)
    policies = {
        "dqn": greedy_policy(network, problem),
        "fluid": step_towards(problem, resolved_fluid(problem)),
        "static": best_static_price(problem, by_steps=True),
        "hold": hold_price(problem),
        "exact": optimum.policy,
    }
    shares = {name: _shares(problem, policy, optimum.start) for name, policy in policies.items()}
    count = len(shares["exact"])
    if not count:
        raise ValueError("problem: even the optimum earns nothing; give problems with something to earn")
    return PolicyScores(count, {name: Score(*_summary(share)) for name, share in shares.items()})


def exact_states(problem: HorizonProblem) -> int:
    """Return how many places the table of the exact optimum has: what its memory and time go with."""
    rungs = int(Ladder.of(problem).price.shape[1])
    return len(problem) * (problem.longest() + 1) * rungs * (int(problem.stock.max(initial=0)) + 1)


def _shares(problem: HorizonProblem, policy: Policy, optimum: np.ndarray) -> np.ndarray:
    share = share_of_optimum(problem, evaluate_policy(problem, policy).start, optimum)
    return share[np.isfinite(share)]


def _summary(share: np.ndarray) -> tuple[float, float]:
    return float(share.mean()), float(np.quantile(share, 0.05))
