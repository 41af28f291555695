"""What a policy leads to: prices, stock and the chance to meet the target, by exact forward recursion."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from .demand import PeriodSales, period_sales
from .policy import MarkdownPolicy, Transition
from .problem import MAX_NODES, UNLIMITED, Bools, Floats, Ints, MarkdownProblem, alike_rows

INTERVAL: Final = (0.1, 0.9)


@dataclass(frozen=True, slots=True)
class MarkdownForecast:
    """Hold what is expected of many SKUs. The period axis is as long as the longest; a SKU's own end is `periods`.

    Args:
        price: (sku, period) float64 ticks, the price most likely charged in each period.
        mean_price: (sku, period) float64 ticks, its expectation.
        stock: (sku, period + 1) float64 units expected at the start of each period, and at the end.
        stock_low, stock_high: (sku, period + 1) float64, the 10 % and the 90 % quantile: an 80 % interval.
        revenue: (sku,) float64 ticks expected until the end, without salvage.
        value: (sku,) float64 ticks, revenue plus the terminal value.
        meets_target: (sku,) float64, the probability that no more than the target is left.
    """

    price: Floats
    mean_price: Floats
    stock: Floats
    stock_low: Floats
    stock_high: Floats
    revenue: Floats
    value: Floats
    meets_target: Floats


def forecast_markdowns(problem: MarkdownProblem, policy: MarkdownPolicy) -> MarkdownForecast:
    """Follow a policy through every stock that demand can lead to.

    The policy is optimal as if each period drew elasticity and level of demand anew. Here they are unknown but the same
    in all periods: the recursion runs at each node of the posterior and is mixed at the end, so that the interval is
    not too narrow. Where the posterior is a point both are the same, and `value` is the policy's.

    Args:
        problem: the markdowns that the policy was solved for.
        policy: from `solve_markdowns`.
    """
    result = _empty(len(problem), int(problem.periods.max(initial=1)))
    states = policy.rung.shape[2] * policy.rung.shape[3] * MAX_NODES
    for rows in alike_rows(problem, problem.work(states)):
        _Forward(problem.rows(rows), policy, rows).run(result)
    return result


def _empty(skus: int, periods: int) -> MarkdownForecast:
    paths = [np.full((skus, periods + extra), np.nan) for extra in (0, 0, 1, 1, 1)]
    return MarkdownForecast(*paths, *(np.zeros(skus) for _ in range(3)))


class _Forward:
    """The recursion over some SKUs. Probability mass is (sku, node, rung, changes left, cell)."""

    def __init__(self, problem: MarkdownProblem, policy: MarkdownPolicy, rows: Ints) -> None:
        self.problem = problem
        self.rows = rows
        self.sales: PeriodSales = period_sales(problem)
        cells = problem.cells()
        self.rung = policy.rung[:, rows, ..., :cells]
        self.first, self.first_changes = policy.first[rows], policy.first_changes[rows]
        self.moves = [Transition(self.sales.shift[:, :, rung]) for rung in range(problem.ladder.shape[1])]
        self.limited = problem.max_changes != UNLIMITED
        self.grid = problem.grid()

    def run(self, result: MarkdownForecast) -> None:
        at = np.arange(len(self.problem))
        shape = (len(self.problem), len(self.sales.weight), *self.rung.shape[2:])
        mass = np.zeros(shape)
        mass[at, :, self.first, self.first_changes, self.problem.start] = 1.0
        self._write_stock(result, 0, mass)
        for period in range(int(self.problem.periods.max())):
            going = self.problem.periods > period
            priced = mass if period == 0 else self._decide(mass, self.problem.periods - period)
            self._write_price(result, period, priced, going)
            mass = np.where(going[:, None, None, None, None], self._sell(result, priced, going), mass)
            self._write_stock(result, period + 1, mass, going)
        self._write_end(result, mass)

    def _decide(self, mass: Floats, left: Ints) -> Floats:
        """Move mass to the rung that the policy takes, with the changes that are left after it."""
        rung = self.rung[np.maximum(left, 1) - 1, np.arange(len(mass))]
        decided = np.zeros_like(mass)
        for before in range(mass.shape[2]):
            if not mass[:, :, before].any():
                continue
            for after in range(mass.shape[2]):
                moving = mass[:, :, before] * (rung[:, None, before] == after)
                uses = self.limited & (self.problem.ladder[:, before] != self.problem.ladder[:, after])
                decided[:, :, after] += np.where(uses[:, None, None, None], 0, moving)
                decided[:, :, after, :-1] += np.where(uses[:, None, None, None], moving, 0)[:, :, 1:]
        return decided

    def _sell(self, result: MarkdownForecast, priced: Floats, going: Bools) -> Floats:
        sold = np.zeros_like(priced)
        for rung, move in enumerate(self.moves):
            for changes in range(priced.shape[3]):
                here = priced[:, :, rung, changes]
                if here.any():
                    sold[:, :, rung, changes] = move.forward(here)
                    units = np.einsum("n,bns,bns->b", self.sales.weight, here, self.sales.units[:, :, rung])
                    result.revenue[self.rows] += np.where(going, units * self.problem.ladder[:, rung], 0)
        return sold

    def _write_price(self, result: MarkdownForecast, period: int, priced: Floats, going: Bools) -> None:
        share = np.einsum("n,bnkcs->bk", self.sales.weight, priced)
        likely = self.problem.ladder[np.arange(len(share)), np.argmax(share, axis=1)]
        result.price[self.rows, period] = np.where(going, likely, np.nan)
        mean = (share * self.problem.ladder).sum(axis=1) / share.sum(axis=1)
        result.mean_price[self.rows, period] = np.where(going, mean, np.nan)

    def _write_stock(self, result: MarkdownForecast, period: int, mass: Floats, going: Bools | bool = True) -> None:
        share = np.einsum("n,bnkcs->bs", self.sales.weight, mass)
        result.stock[self.rows, period] = np.where(going, (share * self.grid).sum(axis=1), np.nan)
        below = np.cumsum(share, axis=1) / share.sum(axis=1, keepdims=True)
        for column, level in zip((result.stock_low, result.stock_high), INTERVAL, strict=True):
            cell = np.argmax(below >= level - 1e-12, axis=1)
            column[self.rows, period] = np.where(going, self.grid[np.arange(len(cell)), cell], np.nan)

    def _write_end(self, result: MarkdownForecast, mass: Floats) -> None:
        share = np.einsum("n,bnkcs->bs", self.sales.weight, mass)
        left = (share * self.problem.terminal_value()).sum(axis=1)
        result.value[self.rows] = result.revenue[self.rows] + left
        result.meets_target[self.rows] = (share * (self.grid <= self.problem.target[:, None] + 1e-9)).sum(axis=1)
