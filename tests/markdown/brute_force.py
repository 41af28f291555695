"""A markdown worked out state by state from its definition: recursion over dictionaries, scipy's distributions."""

from functools import cache

import numpy as np
from scipy import stats

from optimizer.markdown import UNLIMITED, MarkdownProblem


def best_value(problem: MarkdownProblem, row: int = 0) -> float:
    """Return the optimal value by plain recursion over every stock, price and number of changes."""
    return _Enumeration(problem, row).best(int(problem.stock[row]), None, *_start(problem, row))


def kept_value(problem: MarkdownProblem, row: int = 0) -> float:
    """Return the value of never changing the price in force."""
    each = _Enumeration(problem, row)
    return each.kept(int(problem.stock[row]), int(problem.periods[row]))


def _start(problem: MarkdownProblem, row: int) -> tuple[int, int]:
    return int(problem.max_changes[row]), int(problem.periods[row])


class _Enumeration:
    def __init__(self, problem: MarkdownProblem, row: int) -> None:
        self.problem, self.row = problem, row
        self.best = cache(self.best)

    def terminal(self, stock: int) -> float:
        problem, row = self.problem, self.row
        return float(problem.salvage[row] * stock - problem.penalty[row] * max(0, stock - int(problem.target[row])))

    def demand(self, price: float) -> dict[int, float]:
        problem, row = self.problem, self.row
        mean = problem.demand[row] * (price / problem.reference[row]) ** problem.elasticity_mean[row]
        stock = int(problem.stock[row])
        chances = stats.poisson.pmf(np.arange(stock), mean)
        return dict(enumerate([*chances, 1 - chances.sum()]))

    def after_sales(self, stock: int, price: float, then) -> float:
        """Return the expected revenue of one period plus what follows; more demand than stock sells the stock."""
        total = 0.0
        for units, chance in self.demand(price).items():
            sold = min(units, stock)
            total += chance * (price * sold + then(stock - sold))
        return total

    def best(self, stock: int, price: float | None, changes: int, left: int) -> float:
        if left == 0:
            return self.terminal(stock)
        problem, row = self.problem, self.row
        before = problem.current[row] if price is None else price
        values = [-np.inf]
        for after in problem.ladder[row]:
            changed = after != before
            if changed and (changes == 0 or (problem.only_down[row] and after > before)):
                continue
            if abs(after - before) > problem.max_step[row] * before + 1e-9:
                continue
            remain = changes if changes == UNLIMITED else changes - changed
            values.append(self.after_sales(stock, after, lambda s, p=after, c=remain: self.best(s, p, c, left - 1)))
        return max(values)

    def kept(self, stock: int, left: int) -> float:
        if left == 0:
            return self.terminal(stock)
        return self.after_sales(stock, self.problem.current[self.row], lambda rest: self.kept(rest, left - 1))
