"""The exact best admissible price of every SKU at once."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from catalog.guardrails import MISSING, UNBOUNDED, Rule

from .demand import Demand
from .grid import Grid
from .objectives import Objective, profit_value

TIE: Final = 1e-12
"""Scores that differ by less, relatively, count as equal: rounding alone moves a score by some 1e-15."""


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


@dataclass(frozen=True, slots=True)
class Optimum:
    """Hold what was decided for (sku,) SKUs, int64.

    Args:
        price: ticks, the best admissible price.
        rule: code of the rule that decided it.
        unlimited: ticks, the price where the expected objective is highest without guardrails and stock, to the
            nearest tick; `MISSING` where it has no interior maximum.
    """

    price: Tensor
    rule: Tensor
    unlimited: Tensor


def optimal_ticks(problem: Problem, objective: Objective, start: Tensor | None = None) -> Optimum:
    """Choose, for every SKU, the admissible price with the highest expected objective.

    The objective on the band is monotone between a few points: the ends of the band, its interior maximum and the two
    prices where expected demand equals the stock. So its maximum over the grid is at an end of the grid or at an
    admissible neighbour of one of those points; all of them are scored in float64. Equal scores: the higher profit,
    then the smaller move, then the lower price.

    Args:
        problem: (sku,) SKUs, on one device, in float64.
        objective: what to maximise.
        start: None, or the interior maxima found in lower precision, (k, sku) log price ratios.

    Returns:
        The price, equal to the best of a search over every admissible price, and its rule.

    Source: docs/math.md, "Why a few candidates are enough".
    """
    grid, demand = problem.grid, problem.demand
    maxima = objective.interior_maxima(demand, problem.cost, grid.lower.double(), grid.upper.double(), start)
    maxima = demand.reference * torch.exp(maxima)
    crossings = demand.reference * torch.exp(demand.stock_crossings())
    by_optimum = grid.around(maxima)
    by_stock = grid.around(crossings)
    by_current = grid.at_or_below(problem.current), grid.at_or_above(problem.current)
    ends = torch.stack([grid.first, grid.last, *by_current])
    price = _best_of(torch.cat([ends, *by_optimum, *by_stock]), problem, objective)
    at_optimum = _is_beside(price, maxima, by_optimum, grid)
    at_stock = _is_beside(price, crossings, by_stock, grid)
    rule = _deciding_rule(price, at_optimum, at_stock, grid)
    return Optimum(price, rule, _unlimited_optimum(problem, objective, price, rule))


def _unlimited_optimum(problem: Problem, objective: Objective, price: Tensor, rule: Tensor) -> Tensor:
    """Return the interior maximum over all prices above cost; the chosen price where the rule says that it is that."""
    demand = problem.demand
    lowest, highest = torch.zeros_like(problem.cost), torch.full_like(problem.cost, float(UNBOUNDED))
    maxima = objective.interior_maxima(demand, problem.cost, lowest, highest, None)
    if len(maxima) == 0:
        return torch.full_like(price, MISSING)
    best = demand.reference * torch.exp(maxima[0])
    rounded = torch.where(best < UNBOUNDED, best, 0.0).round().long()
    found = torch.where((best < UNBOUNDED) & (rounded > 0), rounded, MISSING)
    return torch.where(rule == Rule.OWN_OPTIMUM, price, found)


def _best_of(candidates: Tensor, problem: Problem, objective: Objective) -> Tensor:
    """Return the best of (k, sku) int64 ticks for every SKU."""
    price = candidates.double()
    units = problem.demand.expected_sales(problem.demand.log_ratio(price))
    score = objective.value(price, problem.cost, units)
    equal = score >= score.amax(0) * (1 - TIE)
    profit = torch.where(equal, profit_value(price, problem.cost, units), -torch.inf)
    equal = profit == profit.amax(0)
    move = torch.where(equal, (price - problem.current).abs(), torch.inf)
    equal = move == move.amin(0)
    return torch.where(equal, price, torch.inf).amin(0).long()


def _is_beside(price: Tensor, points: Tensor, neighbours: tuple[Tensor, Tensor], grid: Grid) -> Tensor:
    """Return which prices are an admissible neighbour of a point inside the band."""
    inside = (points >= grid.lower) & (points <= grid.upper)
    return (inside & ((price == neighbours[0]) | (price == neighbours[1]))).any(0)


def _deciding_rule(price: Tensor, at_optimum: Tensor, at_stock: Tensor, grid: Grid) -> Tensor:
    rule = torch.full_like(price, Rule.OWN_OPTIMUM)
    rule = torch.where(price == grid.last, grid.upper_rule, rule)
    rule = torch.where(price == grid.first, grid.lower_rule, rule)
    rule = torch.where((grid.first == grid.last) & (grid.lower < grid.upper), Rule.PRICE_ENDING, rule)
    rule = torch.where(at_stock, Rule.STOCK_LIMIT, rule)
    return torch.where(at_optimum, Rule.OWN_OPTIMUM, rule)
