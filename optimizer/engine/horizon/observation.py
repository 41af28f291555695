"""What an agent sees of a problem: numbers without units, so that one agent can price many products."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .problem import Bools, Floats, HorizonProblem, Ints

Observations = NDArray[np.float32]

FEATURES: Final = (
    "price",  # ln(price in force / reference)
    "demand",  # units asked for in the last period / demand at the reference price; 0 before the first
    "inventory",  # units on hand / units at the beginning
    "competitor",  # ln(competitor's price in this period / reference)
    "season",  # factor of this period on demand
    "time_left",  # periods that are left / periods
    "load",  # ln((units on hand + 1) / (expected demand at the reference price until the end + 1))
    "unit_cost",  # / reference
    "salvage",  # / reference
    "shortage_cost",  # / reference
    "elasticity",  # signed
    "room_below",  # ln(price in force / lowest price)
    "room_above",  # ln(highest price / price in force)
)
"""Price, demand, inventory, competitor's price and season are the state; the rest tells problems apart and the time."""

OBSERVATION_BOUND: Final = 10.0
"""Every number is cut to this size."""


class Observer:
    """Turn states of the same problems into observations."""

    def __init__(self, problem: HorizonProblem) -> None:
        self._problem = problem
        self._row = np.arange(len(problem))
        inside: Bools = np.arange(problem.longest() + 1) < problem.periods[:, None]
        self._season = _one_more(problem.season, inside)
        self._competitor = np.log(_one_more(problem.competitor / problem.reference[:, None], inside))
        level = np.where(inside[:, :-1], problem.level(), 0.0)
        self._to_come = _one_more(level[:, ::-1].cumsum(axis=1)[:, ::-1], inside, beyond=0.0)
        reference = problem.reference
        self._constant = np.stack(
            [
                problem.unit_cost / reference,
                problem.salvage / reference,
                problem.shortage_cost / reference,
                problem.elasticity,
            ],
            axis=1,
        )
        self._ends = np.log(problem.min_price), np.log(problem.max_price)

    def observe(self, *, period: Ints, price: Floats, stock: Ints, demand: Ints) -> Observations:
        """Return (problem, feature) float32 in the order of `FEATURES`.

        Args:
            period: (problem,) that begins, from 0; a problem's T where it has ended.
            price: (problem,) money, in force.
            stock: (problem,) units on hand.
            demand: (problem,) units asked for in the period before.
        """
        problem, log_price = self._problem, np.log(price)
        seen = np.empty((len(problem), len(FEATURES)), dtype=np.float32)
        seen[:, 0] = log_price - np.log(problem.reference)
        seen[:, 1] = demand / problem.demand
        seen[:, 2] = stock / problem.stock
        seen[:, 3] = self._competitor[self._row, period]
        seen[:, 4] = self._season[self._row, period]
        seen[:, 5] = 1 - period / problem.periods
        seen[:, 6] = np.log((stock + 1) / (self._to_come[self._row, period] + 1))
        seen[:, 7:11] = self._constant
        seen[:, 11] = log_price - self._ends[0]
        seen[:, 12] = self._ends[1] - log_price
        return np.clip(seen, -OBSERVATION_BOUND, OBSERVATION_BOUND, out=seen)


def _one_more(table: Floats, inside: Bools, beyond: float = 1.0) -> Floats:
    """Return the table with a place for the time after the last period."""
    wider = np.concatenate([table, np.full((len(table), 1), beyond)], axis=1)
    return np.where(inside, wider, beyond)
