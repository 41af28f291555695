"""What a markdown is planned from."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

UNLIMITED: Final = -1
"""As many price changes as there are periods."""

MAX_CELLS: Final = 127
"""Stock is counted in single units up to here and in as many equal cells above: 5 ms a SKU, 12 prices, 12 periods."""

MAX_PERIODS: Final = 400

MAX_NODES: Final = 15
"""Nodes of the posterior: three of the level of demand by five of the elasticity."""

CHUNK_NUMBERS: Final = 4_000_000  # 32 MB an array


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkdownProblem:
    """Hold the markdowns of many SKUs, one row a SKU. Demand is that of one period.

    Args:
        stock: (sku,) int64 units on hand, ≥ 0.
        periods: (sku,) int64 periods until the end, 1 to 400.
        current: (sku,) float64 ticks, the price in force, > 0. It need not be on the ladder.
        ladder: (sku, rung) float64 ticks, the admissible prices, falling; repeat the last one to fill a row.
        demand: (sku,) float64 expected units a period at `reference`, > 0.
        reference: (sku,) float64 ticks, > 0.
        elasticity_mean, elasticity_sd: (sku,) float64, the posterior of the signed elasticity; sd ≥ 0.
        log_demand_sd: (sku,) float64, posterior sd of the log of demand at `reference`, ≥ 0.
        salvage: (sku,) float64 ticks that a unit left at the end brings, ≥ 0.
        target: (sku,) int64 units that may be left at the end, ≥ 0.
        penalty: (sku,) float64 ticks that each unit above the target costs, ≥ 0.
        only_down: (sku,) bool, whether the price may never rise.
        max_changes: (sku,) int64, how often the price may change; `UNLIMITED` for any number.
        max_step: (sku,) float64, largest change as a share of the price before it, ≥ 0; infinite for any.

    Raises:
        ValueError: a value is outside its domain; the message names the field.
    """

    stock: Ints
    periods: Ints
    current: Floats
    ladder: Floats
    demand: Floats
    reference: Floats
    elasticity_mean: Floats
    elasticity_sd: Floats
    log_demand_sd: Floats
    salvage: Floats
    target: Ints
    penalty: Floats
    only_down: Bools
    max_changes: Ints
    max_step: Floats

    def __post_init__(self) -> None:
        for field in fields(self):
            if len(getattr(self, field.name)) != len(self.stock):
                raise ValueError(f"{field.name}: {len(getattr(self, field.name))} rows for {len(self.stock)} SKUs")
        for name in ("current", "ladder", "demand", "reference"):
            _require(name, np.isfinite(getattr(self, name)) & (getattr(self, name) > 0), "finite and above 0")
        for name in ("stock", "elasticity_sd", "log_demand_sd", "salvage", "target", "penalty", "max_step"):
            _require(name, getattr(self, name) >= 0, "0 or more")
        _require("elasticity_mean", np.isfinite(self.elasticity_mean), "finite")
        _require("max_changes", self.max_changes >= UNLIMITED, "0 or more, or UNLIMITED")
        _require("periods", (self.periods >= 1) & (self.periods <= MAX_PERIODS), f"from 1 to {MAX_PERIODS}")
        _require("ladder", np.diff(self.ladder, axis=1) <= 0, "in falling order, the highest price first")

    def __len__(self) -> int:
        return len(self.stock)

    def rows(self, rows: Ints | slice) -> Self:
        """Return some of the SKUs."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def keeping_the_price(self) -> Self:
        """Return the same markdowns with the price in force as the only price."""
        return replace(self, ladder=self.current[:, None])

    @property
    def cell(self) -> Floats:
        """Return (sku,) units in a cell of the stock grid: 1 where stock is counted unit by unit."""
        return np.maximum(1.0, self.stock / MAX_CELLS)

    @property
    def start(self) -> Ints:
        """Return (sku,) the cell of the stock on hand."""
        return np.rint(self.stock / self.cell).astype(np.int64)

    def cells(self) -> int:
        """Return how many cells the widest row needs, the empty stock included."""
        return int(self.start.max(initial=0)) + 1

    def work(self, states: int) -> Ints:
        """Return (sku,) how many numbers the demand of each row is, and `states` at each of its cells."""
        demand = MAX_NODES * self.ladder.shape[1] * (self.stock + 1)
        numbers: Ints = demand + states * (self.start + 1)
        return numbers

    def grid(self) -> Floats:
        """Return (sku, cell) units of stock in each cell."""
        grid: Floats = self.cell[:, None] * np.arange(self.cells())
        return grid

    def terminal_value(self) -> Floats:
        """Return (sku, cell) ticks: salvage of what is left, less the penalty on what is above the target."""
        grid = self.grid()
        above = np.maximum(grid - self.target[:, None], 0)
        value: Floats = self.salvage[:, None] * grid - self.penalty[:, None] * above
        return value

    def error_bound(self) -> Floats:
        """Return (sku,) ticks by which the grid can misstate the value: 0 where stock is counted unit by unit.

        One unit more is worth between a = min(lowest price, salvage − penalty) and b = max(highest price, salvage):
        follow the policy of the other stock and let the unit sell or be left. A function with slopes in [a, b] differs
        from its chord over h units by at most (b − a)·h/4, and a period's expectation does not enlarge an error.
        """
        high = np.maximum(self.ladder[:, 0], self.salvage)
        low = np.minimum(self.ladder[:, -1], self.salvage - self.penalty)
        return np.where(self.cell > 1, self.periods * (high - low) * self.cell / 4, 0.0)


def alike_rows(problem: MarkdownProblem, numbers: Ints) -> Iterator[Ints]:
    """Yield the rows in chunks of like stock that work with some millions of numbers each.

    Args:
        numbers: (sku,) int64, how many numbers a row works with; it must rise with the stock.
    """
    order = np.argsort(problem.stock, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, min(len(order) - start, CHUNK_NUMBERS // int(numbers[order[start]])))
        while size > 1 and size * int(numbers[order[start + size - 1]]) > CHUNK_NUMBERS:
            size //= 2
        yield order[start : start + size]
        start += size


def _require(name: str, holds: Any, domain: str) -> None:
    if not np.all(holds):
        row = int(np.argwhere(~np.asarray(holds))[0][0])
        raise ValueError(f"{name}: row {row} is outside its domain; give values that are {domain}")
