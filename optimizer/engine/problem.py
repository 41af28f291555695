"""What decides the prices of many SKUs."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from .demand import Demand
from .grid import Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Hold what decides the prices of (sku,) SKUs.

    Args:
        demand: posterior of demand; its `reference` is the price in force.
        cost: (sku,) float64 ticks, > 0.
        current: (sku,) int64 ticks, the price in force.
        grid: admissible prices.
    """

    demand: Demand
    cost: Tensor
    current: Tensor
    grid: Grid

    def rows(self, rows: Tensor | slice) -> Self:
        """Return some of the SKUs, each as often as its row is asked for."""
        return type(self)(
            demand=self.demand.rows(rows), cost=self.cost[rows], current=self.current[rows], grid=self.grid.rows(rows)
        )
