"""The best admissible price of SKUs near their stock, by scoring every one that can be the best."""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from .objectives import TIE, Objective, profit_value
from .problem import Problem
from .promising import Parts, promising_parts, whole_bands

BLOCK_TICKS: Final = 262_144
"""Prices scored at a time: some 50 MB. A quarter of it and four times it take the same time."""

WIDE_BAND: Final = 1_024
"""Bands of more ticks are searched by their promising parts first."""

WIDE_ROWS: Final = 256
"""SKUs with wide bands searched at a time: each keeps hundreds of parts."""


def best_of_all_ticks(problem: Problem, objective: Objective) -> Tensor:
    """Score every admissible price that can be the best, and take the best.

    Use it where the expected objective has no shape that a few candidates could rely on. Equal scores: the higher
    profit, then the smaller move, then the lower price.

    Args:
        problem: (sku,) SKUs in float64.
        objective: what to maximise.

    Returns:
        (sku,) int64 ticks.
    """
    wide = problem.grid.last - problem.grid.first >= WIDE_BAND
    best = torch.empty_like(problem.current)
    narrow_rows, wide_rows = torch.nonzero(~wide).flatten(), torch.nonzero(wide).flatten()
    if len(narrow_rows):
        part = problem.rows(narrow_rows)
        best[narrow_rows] = _best_within(part, whole_bands(part), objective)
    for start in range(0, len(wide_rows), WIDE_ROWS):
        rows = wide_rows[start : start + WIDE_ROWS]
        part = problem.rows(rows)
        best[rows] = _best_within(part, promising_parts(part, objective), objective)
    return best


def _best_within(problem: Problem, parts: Parts, objective: Objective) -> Tensor:
    """Return the best of the admissible prices inside the parts; each SKU has one at least."""
    winners = [_best_of_block(problem, parts.take(block), objective) for block in _blocks(parts)]
    rows, ticks = (torch.cat(column) for column in zip(*winners, strict=True))
    return _best_ticks(problem, rows, ticks, objective)[1]


def _blocks(parts: Parts) -> Iterator[slice]:
    """Yield consecutive parts of about `BLOCK_TICKS` ticks together, where it can be only whole SKUs."""
    ends, start = (parts.high - parts.low + 1).cumsum(0), 0
    while start < len(ends):
        limit = ends[start] + BLOCK_TICKS
        stop = max(int(torch.searchsorted(ends, limit)), start + 1)
        if stop < len(ends):
            first_of_row = int(torch.searchsorted(parts.rows, parts.rows[stop]))
            stop = first_of_row if first_of_row > start else stop
        yield slice(start, stop)
        start = stop


def _best_of_block(problem: Problem, parts: Parts, objective: Objective) -> tuple[Tensor, Tensor]:
    """Return the rows that have admissible prices in the parts, and the best of those of each."""
    widths = parts.high - parts.low + 1
    part = torch.repeat_interleave(torch.arange(len(widths), device=widths.device), widths)
    before = widths.cumsum(0) - widths
    ticks = torch.arange(len(part), device=part.device) + (parts.low - before)[part]
    rows = parts.rows[part]
    fits = problem.grid.has_ending(ticks, rows)
    return _best_ticks(problem, rows[fits], ticks[fits], objective)


def _best_ticks(problem: Problem, rows: Tensor, ticks: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """Return the rows and the best of each one's ticks; `rows` is sorted."""
    demand, cost, price = problem.demand.rows(rows), problem.cost[rows], ticks.double()
    units = demand.expected_sales(demand.log_ratio(price))
    score = objective.value(price, cost, units)
    highest = torch.full_like(problem.cost, -torch.inf).scatter_reduce(0, rows, score, "amax")
    equal = score >= highest[rows] * (1 - TIE)
    rows, price, cost, units = rows[equal], price[equal], cost[equal], units[equal]
    keys = [-profit_value(price, cost, units), (price - problem.current[rows]).abs(), price]
    for key in range(len(keys)):
        least = torch.full_like(problem.cost, torch.inf).scatter_reduce(0, rows, keys[key], "amin")
        equal = keys[key] == least[rows]
        rows, keys = rows[equal], [column[equal] for column in keys]
    return rows, keys[-1].long()
