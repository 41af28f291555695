"""The parts of wide bands that can hold the best price."""

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from .objectives import TIE, Objective
from .problem import Problem

PARTS: Final = 4
LEAF_TICKS: Final = 64
"""Narrower parts are not cut again: their bounds no longer rule out much."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Hold parts of bands: (part,) int64 rows, sorted, with their lowest and highest tick."""

    rows: Tensor
    low: Tensor
    high: Tensor

    def take(self, chosen: Tensor | slice) -> Self:
        """Return some of the parts."""
        return type(self)(self.rows[chosen], self.low[chosen], self.high[chosen])


def whole_bands(problem: Problem) -> Parts:
    """Return each SKU's band as one part."""
    rows = torch.arange(len(problem.cost), device=problem.cost.device)
    return Parts(rows, problem.grid.first, problem.grid.last)


def promising_parts(problem: Problem, objective: Objective) -> Parts:
    """Cut bands into parts of at most `LEAF_TICKS` and leave out those that cannot hold the best price.

    In a part the objective is at most its value at the highest price and the most sales; the best price is worth at
    least what an admissible neighbour of any part's low end is. A part whose most is less than that least is left out.
    The rest are cut again (branch and bound): of n ticks about √n have to be scored.

    Use it for bands of many ticks; on those of a hundred, scoring every one is as fast.

    Args:
        problem: (sku,) SKUs in float64.
        objective: its value must not fall with the price at given units, nor with the units.

    Source: Land and Doig (1960).
    """
    parts = whole_bands(problem)
    least = torch.full_like(problem.cost, -torch.inf)
    while int((parts.high - parts.low).max()) >= LEAF_TICKS:
        parts = _cut(parts)
        demand, cost = problem.demand.rows(parts.rows), problem.cost[parts.rows]
        price = problem.grid.rows(parts.rows).at_or_above(parts.low).double()
        score = objective.value(price, cost, demand.expected_sales(demand.log_ratio(price)))
        least = least.scatter_reduce(0, parts.rows, score, "amax")
        most = objective.value(parts.high.double(), cost, demand.most_sales_between(parts.low, parts.high))
        parts = parts.take(most >= least[parts.rows] * (1 - 2 * TIE))
    return parts


def _cut(parts: Parts) -> Parts:
    """Return every part in `PARTS` parts; those of fewer ticks in as many as they have."""
    step = torch.clamp((parts.high - parts.low) // PARTS + 1, min=1)
    low = parts.low[:, None] + step[:, None] * torch.arange(PARTS, device=step.device)
    high = torch.minimum(low + step[:, None] - 1, parts.high[:, None])
    exists = low <= high
    return Parts(parts.rows[:, None].expand_as(low)[exists], low[exists], high[exists])
