"""A few admissible prices of every SKU, and what each is expected to bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catalog.guardrails import COST_UNITS_PER_TICK, EndingTable, Ints, admissible_band, hard_interval

from ..chunks import run_in_chunks, run_side_by_side
from ..devices import ComputeDevice
from ..pricing_arrays import Floats, PricingInputs
from ..problem import Problem
from ..ticks import pricing_problem

POINTS: Final = 21
ROWS_AT_A_TIME: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLadder:
    """Hold the options of each SKU; money in ticks.

    Args:
        ticks: (sku, k) int64 admissible prices, rising; the best price alone is one, and the price in force where it is
            admissible, or where it was asked for and no hard rule forbids it.
        distinct: (sku, k) bool; where a SKU has fewer admissible prices the places behind its last option repeat it.
        units, revenue, profit: (sku, k) float64, expected, with sales limited by stock.
        units_before, revenue_before, profit_before: (sku,) float64, the same at the price in force.
        current, competitor: (sku,) int64 ticks; the latter `MISSING` or ≤ 0 where there is none.
    """

    ticks: Ints
    distinct: NDArray[np.bool_]
    units: Floats
    revenue: Floats
    profit: Floats
    units_before: Floats
    revenue_before: Floats
    profit_before: Floats
    current: Ints
    competitor: Ints

    @classmethod
    def build(
        cls,
        inputs: PricingInputs,
        *,
        alone: Ints,
        device: ComputeDevice,
        families: Sequence[Ints] = (),
        may_stay: bool = False,
        points: int = POINTS,
    ) -> Self:
        """Return ladders of evenly spaced admissible prices.

        Args:
            inputs: (sku,) SKUs, all of them priced.
            alone: (sku,) int64 ticks, the best price of each by itself; of a family its best common price.
            device: where expectations are computed, in float64.
            families: (family, member) int64 rows; their members get the same prices.
            may_stay: let every SKU keep its price where only soft rules (steps, stock, competitors, endings) would move
                it: a budget of changes means little otherwise.
            points: options a SKU, ≥ 3.

        Raises:
            ValueError: fewer than 3 points.
        """
        if points < 3:
            raise ValueError(f"points: got {points}; give 3 or more: two ends and the best price alone")
        size = len(inputs)
        ticks = np.empty((size, points), dtype=np.int64)
        units = np.empty((size, points))
        units_before = np.empty(size)
        table = EndingTable.build(inputs.guardrails.ending_sets)
        for rows in families:
            _spread_families(inputs, rows, alone, table, ticks)
        shared = np.zeros(size, dtype=bool)
        shared[np.concatenate([np.empty(0, dtype=np.int64), *(rows.reshape(-1) for rows in families)])] = True

        def fill(rows: slice) -> None:
            part = inputs.rows(rows)
            problem = pricing_problem(part, admissible_band(part.guardrails, part.facts()), table, device.final)
            stays = _stays(part, may_stay).to(device.final)
            own = _spread(problem, torch.from_numpy(alone[rows]).to(device.final), stays, points).cpu().numpy()
            ticks[rows] = np.where(shared[rows, None], ticks[rows], own)
            price = torch.from_numpy(ticks[rows].T.copy()).to(device.final).double()
            demand = problem.demand
            units[rows] = demand.expected_sales(demand.log_ratio(price)).T.cpu().numpy()
            units_before[rows] = demand.expected_sales(torch.zeros_like(demand.reference)).cpu().numpy()

        in_chunks = run_side_by_side if device.final.type == "cpu" else run_in_chunks
        in_chunks(size, ROWS_AT_A_TIME if device.final.type == "cpu" else 1 << 18, fill)
        _compact(ticks, units)
        cost = (inputs.cost_units / COST_UNITS_PER_TICK)[:, None]
        revenue = ticks * units
        revenue_before = inputs.current_ticks * units_before
        assert inputs.competitor_ticks is not None
        return cls(
            ticks=ticks,
            distinct=np.diff(ticks, axis=1, prepend=-1) > 0,
            units=units,
            revenue=revenue,
            profit=revenue - cost * units,
            units_before=units_before,
            revenue_before=revenue_before,
            profit_before=revenue_before - cost[:, 0] * units_before,
            current=inputs.current_ticks,
            competitor=inputs.competitor_ticks,
        )

    def __len__(self) -> int:
        return len(self.ticks)


def _compact(ticks: Ints, units: Floats) -> None:
    """Move repeated options behind the last one, as repetitions of it."""
    repeated = np.diff(ticks, axis=1, prepend=-1) == 0
    rows = np.flatnonzero(repeated.any(axis=1))
    order = np.argsort(repeated[rows], axis=1, kind="stable")
    last = (~repeated[rows]).sum(axis=1) - 1
    order = np.where(np.arange(ticks.shape[1]) > last[:, None], order[np.arange(len(rows)), last][:, None], order)
    for column in (ticks, units):
        column[rows] = np.take_along_axis(column[rows], order, axis=1)


def _stays(inputs: PricingInputs, may_stay: bool) -> Tensor:
    """Return which SKUs may keep a price that is not on their grid."""
    low, high = hard_interval(inputs.guardrails, inputs.facts())
    return torch.from_numpy(may_stay & (inputs.current_ticks >= low) & (inputs.current_ticks <= high))


def _spread(problem: Problem, alone: Tensor, stays: Tensor, points: int) -> Tensor:
    """Return (sku, points) prices: evenly spaced, the best alone, and the price in force where it may stay."""
    grid, current = problem.grid, problem.current
    steps = torch.linspace(0, 1, points - 2, dtype=torch.float64, device=alone.device)[:, None]
    even = grid.at_or_below(grid.first + torch.floor((grid.last - grid.first) * steps).long())
    inside = (current >= grid.first) & (current <= grid.last) & (grid.at_or_below(current) == current)
    stay = torch.where(inside | stays, current, alone)
    return torch.cat([even, alone[None], stay[None]]).sort(0).values.T


def _spread_families(inputs: PricingInputs, rows: Ints, alone: Ints, table: EndingTable, ticks: Ints) -> None:
    """Fill in common prices of families: those of their members' bands that all may take, and the best common one."""
    part = inputs.rows(rows.reshape(-1))
    band = admissible_band(part.guardrails, part.facts())
    fitting = table.sets_that_fit(band.lower, band.upper, part.guardrails.ending_set).reshape(rows.shape)
    low, high = band.lower.reshape(rows.shape).max(axis=1), band.upper.reshape(rows.shape).min(axis=1)
    best, points = alone[rows[:, 0]], ticks.shape[1]
    steps = np.linspace(0, 1, points - 1)
    even = low[:, None] + np.floor(np.maximum(high - low, 0)[:, None] * steps).astype(np.int64)
    even = table.at_or_below(even, fitting[:, :1])
    allowed = (even >= low[:, None]) & (even <= high[:, None])
    for member in range(rows.shape[1]):
        allowed &= table.at_or_below(even, fitting[:, member, None]) == even
    shared = np.sort(np.concatenate([np.where(allowed, even, best[:, None]), best[:, None]], axis=1), axis=1)
    ticks[rows] = shared[:, None, :]
