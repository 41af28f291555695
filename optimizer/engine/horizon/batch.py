"""Many problems played at once, a period of each a step."""

import numpy as np

from .ladder import ACTIONS, Ladder
from .observation import Observations, Observer
from .policy import Policy
from .problem import Bools, Floats, HorizonProblem, Ints


class HorizonBatch:
    """Play problems with Poisson demand: 0.1 µs a problem and step, 4,096 at once (one core, November 2026).

    Reward of a period at price p with stock I: (p − c)·min(D, I) − λ·max(0, D − I); the last one adds
    (salvage − c)·(units left), so that rewards sum to the profit on the whole stock, whose mean the dynamic programme
    computes.

    Seeds: all problems draw from the one generator, one Poisson number a problem and step in the order of the rows,
    those that have ended too. The same seed, problems and actions give the same play; a problem alone gives another
    one than it does among others.

    Args:
        problem: the problems, n.
        rng: numpy's generator.
    """

    def __init__(self, problem: HorizonProblem, rng: np.random.Generator) -> None:
        self.problem = problem
        self.ladder = Ladder.of(problem)
        self._row = np.arange(len(problem))
        self._level, self._response = problem.level(), problem.response(self.ladder.price)
        self._observer = Observer(problem)
        self._rng = rng
        self.reset()

    def reset(self, rng: np.random.Generator | None = None) -> Observations:
        """Begin all problems anew, with another generator or further on in the same, and return what is seen."""
        self._rng = rng or self._rng
        self.period = np.zeros(len(self.problem), dtype=np.int64)
        self.rung = self.ladder.start.copy()
        self.stock = self.problem.stock.copy()
        self.demand = np.zeros(len(self.problem), dtype=np.int64)
        return self.observation()

    def restart(self, rows: Bools) -> None:
        """Begin some problems anew, those that have ended for instance; ``rows``: (n,) bool."""
        self.period[rows] = 0
        self.rung[rows] = self.ladder.start[rows]
        self.stock[rows] = self.problem.stock[rows]
        self.demand[rows] = 0

    @property
    def done(self) -> Bools:
        """Return (n,) which problems have ended."""
        return self.period >= self.problem.periods

    @property
    def price(self) -> Floats:
        """Return (n,) money, the prices in force."""
        return self.ladder.price[self._row, self.rung]

    def observation(self) -> Observations:
        """Return (n, feature) float32, in the order of `optimizer.engine.horizon.observation.FEATURES`."""
        return self._observer.observe(period=self.period, price=self.price, stock=self.stock, demand=self.demand)

    def action_mask(self) -> Bools:
        """Return (n, 5) which steps stay between the guardrails."""
        return self.ladder.mask(self.rung)

    def step(self, action: Ints) -> tuple[Observations, Floats, Bools]:
        """Take an action each, indices of `ACTIONS`; one that the mask excludes ends at the guardrail.

        Returns:
            What is seen, (n,) reward in money, and (n,) whether the problem has ended. One that had ended before
            stays as it was, with reward 0, until it is begun anew.

        Raises:
            ValueError: an action is none of the five, or there are not n.
        """
        is_number = np.issubdtype(action.dtype, np.integer)
        if not is_number or action.shape != self.rung.shape or not ((action >= 0) & (action < len(ACTIONS))).all():
            raise ValueError(f"action: give {len(self.rung)} whole numbers from 0 to {len(ACTIONS) - 1}")
        reward = self.play(self.ladder.stepped(self.rung, action))
        return self.observation(), reward, self.done

    def play(self, rung: Ints) -> Floats:
        """Sell for a period at these rungs, however far from the last ones; return (n,) reward."""
        problem, running = self.problem, ~self.done
        period = np.minimum(self.period, problem.periods - 1)
        demand = self._rng.poisson(self._level[self._row, period] * self._response[self._row, rung])
        sold = np.minimum(demand, self.stock)
        margin = self.ladder.price[self._row, rung] - problem.unit_cost
        reward = margin * sold - problem.shortage_cost * (demand - sold)
        left = self.stock - sold
        reward += np.where(period + 1 == problem.periods, (problem.salvage - problem.unit_cost) * left, 0.0)
        self.rung = np.where(running, rung, self.rung)
        self.demand = np.where(running, demand, self.demand)
        self.stock = np.where(running, left, self.stock)
        self.period = self.period + running
        return np.where(running, reward, 0.0)

    def play_policy(self, policy: Policy) -> Floats:
        """Play all problems from now to their ends; return (n,) the sum of rewards."""
        profit = np.zeros(len(self.problem))
        place = np.int64(policy.rung.shape[2] > 1)
        while not self.done.all():
            period = np.minimum(self.period, self.problem.periods - 1)
            rung = policy.rung[self._row, period, self.rung * place, self.stock]
            profit += self.play(rung.astype(np.int64))
        return profit
