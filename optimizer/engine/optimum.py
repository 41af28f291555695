"""The exact best admissible price of every SKU at once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from catalog.guardrails import MISSING, UNBOUNDED, Rule

from .exhaustive import best_of_all_ticks
from .grid import Grid
from .objectives import TIE, Objective, profit_value
from .problem import Problem


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

    Without a stock limit the objective on the band is monotone between a few points, its ends and its interior maximum:
    the best price is at an end of the grid or at an admissible neighbour of the maximum, and only those are scored.
    Where stock can limit sales somewhere on the band, every admissible price is. Where nothing is in stock all prices
    are equal, and the nearest to the price in force is taken. Equal scores: the higher profit, then the smaller move,
    then the lower price.

    Args:
        problem: (sku,) SKUs, on one device, in float64.
        objective: what to maximise.
        start: None, or the interior maxima found in lower precision, (k, sku) log price ratios.

    Returns:
        The price, equal to the best of a search over every admissible price, and its rule: `STOCK_LIMIT` where stock
        made it another one, or where there is none.

    Source: docs/math.md, "Why a few candidates are enough".
    """
    price, rule = _optimum_without_stock(problem, objective, start)
    sold_out = problem.demand.stock == 0
    limited = torch.where(sold_out, _nearest_to_current(problem), price)
    near = problem.demand.stock_matters_between(problem.grid.first, problem.grid.last) & ~sold_out
    rows = torch.nonzero(near).flatten()
    if len(rows):
        limited[rows] = best_of_all_ticks(problem.rows(rows), objective)
    rule = torch.where(sold_out | (limited != price), Rule.STOCK_LIMIT, rule)
    return Optimum(limited, rule, _unlimited_optimum(problem, objective, limited, rule))


def _optimum_without_stock(problem: Problem, objective: Objective, start: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the best price of SKUs that do not run out, and its rule."""
    grid, demand = problem.grid, problem.demand
    maxima = objective.interior_maxima(demand, problem.cost, grid.lower.double(), grid.upper.double(), start)
    maxima = demand.reference * torch.exp(maxima)
    neighbours = grid.around(maxima)
    price = _best_of(torch.cat([torch.stack([grid.first, grid.last]), *neighbours]), problem, objective)
    return price, _deciding_rule(price, _is_beside(price, maxima, neighbours, grid), grid)


def _nearest_to_current(problem: Problem) -> Tensor:
    """Return the admissible price with the smallest move; of two, the lower."""
    current = problem.current
    below, above = problem.grid.at_or_below(current), problem.grid.at_or_above(current)
    return torch.where((above - current).abs() < (current - below).abs(), above, below)


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
    """Return the best of (k, sku) int64 ticks for every SKU, without the stock limit."""
    price = candidates.double()
    units = problem.demand.expected_demand(problem.demand.log_ratio(price))
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


def _deciding_rule(price: Tensor, at_optimum: Tensor, grid: Grid) -> Tensor:
    rule = torch.full_like(price, Rule.OWN_OPTIMUM)
    rule = torch.where(price == grid.last, grid.upper_rule, rule)
    rule = torch.where(price == grid.first, grid.lower_rule, rule)
    rule = torch.where((grid.first == grid.last) & (grid.lower < grid.upper), Rule.PRICE_ENDING, rule)
    return torch.where(at_optimum, Rule.OWN_OPTIMUM, rule)
