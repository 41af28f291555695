"""What the Q-network sees of a state, and the closed-form value that it corrects.

The environment's observation tells the state; the network is told what the fluid model makes of it as well, so that it
has a small and smooth correction to learn.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from optimizer.engine.horizon import HorizonProblem
from optimizer.engine.horizon.ladder import Ladder
from optimizer.engine.horizon.observation import Observations
from optimizer.engine.horizon.problem import Bools, Floats, Ints

FEATURES: Final = (
    "price",  # ln(price in force / reference)
    "time_left",  # periods that are left / periods
    "periods_left",  # ln(periods that are left + 1)
    "stock",  # ln(units on hand + 1)
    "load",  # ln((units on hand + 1) / (expected demand at the reference price until the end + 1))
    "unit_cost",  # / reference
    "salvage",  # / reference
    "shortage_cost",  # / reference
    "elasticity",  # signed
    "room_below",  # ln(price in force / lowest price)
    "room_above",  # ln(highest price / price in force)
    "fluid_gap",  # ln(fluid price / price in force)
    "run_out_gap",  # ln(price that runs out of stock at the end / price in force)
    "mark_up_gap",  # ln(mark-up price of salvage / price in force)
    "fluid_demand",  # ln(expected demand until the end at the fluid price + 1)
    "demand_to_come",  # ln(expected demand until the end at the price in force + 1)
    "demand_now",  # ln(expected demand of this period at the price in force + 1)
    "share_now",  # of the demand to come, that of this period
    "surplus",  # (units on hand − demand to come at the price in force) / its sd
)
BOUND: Final = 3.0
"""Gaps and the surplus are cut to this size."""


@dataclass(frozen=True, slots=True)
class View:
    """Hold what is seen of n states.

    Args:
        features: (n, feature) float32 in the order of `FEATURES`.
        potential: (n,) money, the closed-form value of the state; 0 at the end.
        scale: (n,) money > 0, the unit of the network's values.
    """

    features: Observations
    potential: Floats
    scale: Floats


class Sight:
    """Look at states of the same problems, any number of each."""

    def __init__(self, problem: HorizonProblem) -> None:
        self.problem, self.ladder = problem, Ladder.of(problem)
        inside = np.arange(problem.longest()) < problem.periods[:, None]
        level = np.where(inside, problem.level(), 0.0)
        to_come = level[:, ::-1].cumsum(axis=1)[:, ::-1]
        self._level = np.pad(level, ((0, 0), (0, 1)))
        self._to_come = np.pad(to_come, ((0, 0), (0, 1)))
        elasticity = problem.elasticity
        with np.errstate(divide="ignore", invalid="ignore"):
            mark_up = problem.salvage * elasticity / (elasticity + 1)
        # Demand that answers little has no mark-up price below the highest.
        mark_up = np.where(elasticity < -1, mark_up, problem.max_price)
        self._mark_up = np.log(np.clip(mark_up, problem.min_price, problem.max_price))
        self._low, self._high = np.log(problem.min_price), np.log(problem.max_price)
        self._reference, self._log_price = np.log(problem.reference), np.log(self.ladder.price)

    def look(self, row: Ints, period: Ints, rung: Ints, stock: Ints) -> View:
        """Return what is seen with these prices in force and stocks at the beginning of these periods, (n,) each."""
        problem, price = self.problem, self._log_price[row, rung]
        reference, elasticity = self._reference[row], problem.elasticity[row]
        low, high, to_come = self._low[row], self._high[row], self._to_come[row, period]
        run_out = _run_out(np.log(to_come + 1e-9) - np.log(stock + 1e-3), reference, elasticity, low, high)
        fluid = np.maximum(run_out, self._mark_up[row])
        demand_fluid = to_come * np.exp(elasticity * (fluid - reference))
        response = np.exp(elasticity * (price - reference))
        demand, now = to_come * response, self._level[row, period] * response
        lost = _expected_loss(demand_fluid, stock)
        margin = np.exp(fluid) - problem.salvage[row]
        left = problem.periods[row] - period
        ended = left <= 0
        potential = margin * (demand_fluid - lost) - problem.shortage_cost[row] * lost
        potential += (problem.salvage - problem.unit_cost)[row] * stock
        scale = margin * (0.3 + np.sqrt(np.minimum(demand_fluid, stock)))
        seen = np.empty((len(FEATURES), len(row)), dtype=np.float32)
        seen[0] = price - reference
        seen[1] = left / problem.periods[row]
        seen[2] = np.log(left + 1)
        seen[3] = np.log(stock + 1)
        seen[4] = seen[3] - np.log(to_come + 1)
        seen[5:8] = np.stack([problem.unit_cost, problem.salvage, problem.shortage_cost])[:, row]
        seen[5:8] /= problem.reference[row]
        seen[8] = elasticity
        seen[9], seen[10] = price - low, high - price
        seen[11], seen[12], seen[13] = 5 * (fluid - price), run_out - price, self._mark_up[row] - price
        seen[14:17] = np.log(np.stack([demand_fluid, demand, now]) + 1)
        seen[17] = self._level[row, period] / np.maximum(to_come, 1e-9)
        seen[18] = (stock - demand) / np.sqrt(demand + 0.5)
        np.clip(seen[11:14], -BOUND, BOUND, out=seen[11:14])
        np.clip(seen[18], -BOUND, BOUND, out=seen[18])
        return View(np.ascontiguousarray(seen.T), np.where(ended, 0.0, potential), np.maximum(scale, 1e-9))

    def mask(self, row: Ints, rung: Ints) -> Bools:
        """Return (n, 5) which actions stay between the guardrails."""
        return self.ladder.mask(rung, row)


def _run_out(excess: Floats, reference: Floats, elasticity: Floats, low: Floats, high: Floats) -> Floats:
    """Return ln(price at which the demand to come is the stock), `excess` = ln(demand at the reference / stock)."""
    falls = np.minimum(elasticity, -1e-3)
    run_out: Floats = np.clip(reference - excess / falls, low, high)
    return run_out


def _expected_loss(mean: Floats, stock: NDArray[np.int64]) -> Floats:
    """Return E (D − stock)⁺ of a normal D whose variance is its mean."""
    sd = np.sqrt(mean + 1e-12)
    z = (stock - mean) / sd
    loss: Floats = sd * (np.exp(-z * z / 2) / np.sqrt(2 * np.pi) - z * ndtr(-z))
    return np.maximum(loss, 0.0)
