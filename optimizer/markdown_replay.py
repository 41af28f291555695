"""Work a markdown's price out again from its recorded inputs, by plain recursion over stock and price.

Pure, and it shares no code with `optimizer.markdown`: dense transition matrices instead of Fourier transforms, the
quadrature's nodes written out, one price after the other.
"""

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from optimizer.replay import SAME_SCORE, ReplayResult

Floats = NDArray[np.float64]

MOST_STEPS: Final = 100_000
"""Choices that one replay makes: some seconds at most."""

CELLS: Final = 127
"""A larger stock is counted in so many equal cells."""

LARGEST_LOG_MEAN: Final = 25.0

# Gauss-Hermite for a standard normal: (node, weight). Abramowitz and Stegun (1964), table 25.10.
THREE_NODES: Final = ((-math.sqrt(3), 1 / 6), (0.0, 2 / 3), (math.sqrt(3), 1 / 6))
INNER, OUTER = math.sqrt(5 - math.sqrt(10)), math.sqrt(5 + math.sqrt(10))
INNER_WEIGHT, OUTER_WEIGHT = (7 + 2 * math.sqrt(10)) / 60, (7 - 2 * math.sqrt(10)) / 60
FIVE_NODES: Final = (
    (-OUTER, OUTER_WEIGHT),
    (-INNER, INNER_WEIGHT),
    (0.0, 8 / 15),
    (INNER, INNER_WEIGHT),
    (OUTER, OUTER_WEIGHT),
)


def markdown_steps(recorded: Mapping[str, Any]) -> int:
    """Return how many choices a replay makes: what it costs."""
    plan = _Plan(recorded)
    return plan.periods * len(plan.prices) ** 2 * (plan.changes + 1)


def replay_markdown(recorded: Mapping[str, Any]) -> ReplayResult:
    """Recompute the price of a plan's first period.

    V_t(s, p, c) = max over the admissible p' after p of p'·E[min(D, s)] + E V_{t−1}((s − D)⁺, p', c − 1{p' ≠ p}), with
    D ~ Poisson(Q0·(p'/p0)^e) mixed over the posteriors of Q0 and e, and V_0(s) = salvage·s − penalty·(s − target)⁺.

    Args:
        recorded: under `markdown` the fields of `MarkdownProblem` for one SKU, money in ticks, `max_changes` and
            `max_step` None for any; `price_ticks`, the price to confirm.

    Returns:
        The best admissible price; ``expected_demand`` is E[min(D, stock)] of the first period.

    Raises:
        ValueError: a field is missing; the message names it.
    """
    return _Plan(recorded).result(recorded.get("price_ticks"))


class _Plan:
    def __init__(self, recorded: Mapping[str, Any]) -> None:
        try:
            fields = recorded["markdown"]
            self.stock, self.periods = int(fields["stock"]), int(fields["periods"])
            self.current: float = fields["current"]
            self.prices: list[float] = sorted({float(price) for price in fields["ladder"]}, reverse=True)
            self.demand, self.reference = fields["demand"], fields["reference"]
            self.elasticity, self.elasticity_sd = fields["elasticity_mean"], fields["elasticity_sd"]
            self.log_demand_sd = fields["log_demand_sd"]
            self.salvage, self.target, self.penalty = fields["salvage"], fields["target"], fields["penalty"]
            self.only_down, self.max_step = fields["only_down"], fields["max_step"]
            limit = fields["max_changes"]
        except KeyError as missing:
            raise ValueError(f"the explanation has no {missing}; record it with the decision") from missing
        self.is_limited = limit is not None
        self.changes = 0 if limit is None else min(limit, self.periods)
        self.cell = max(1.0, self.stock / CELLS)
        self.cells = round(self.stock / self.cell) + 1
        self.grid = self.cell * np.arange(self.cells)

    def result(self, recorded: int | None) -> ReplayResult:
        worth = self._worth_now()
        options = {price: worth[price, left][-1] for price, left in self._first_choices()}
        best = max(options.values())
        good = [price for price, value in options.items() if value >= best - SAME_SCORE * max(1.0, abs(best))]
        price = self.current if self.current in good else max(good)
        confirmed = None if recorded is None else float(recorded) in good
        sold = float(self._expected_sales(self._chances(price))[-1])
        return ReplayResult(round(price), float(options[price]), sold, None, confirmed, len(self.prices))

    def _first_choices(self) -> Iterator[tuple[float, int]]:
        """Yield each price that may come first, with the changes left after it; the nearest one where none may."""
        found = [(price, left) for price in self.prices if (left := self._left(self.current, price, self.changes)) >= 0]
        nearest = min(self.prices, key=lambda price: (abs(price - self.current), -price))
        yield from found or [(nearest, self.changes)]

    def _left(self, before: float, after: float, changes: int) -> int:
        """Return the changes left after a move; −1 where it is not allowed."""
        if after == before:
            return changes
        too_far = abs(after - before) > (self.max_step or 0) * before + 1e-9 * before
        if (self.only_down and after > before) or (self.max_step is not None and too_far):
            return -1
        return changes - 1 if self.is_limited else changes

    def _worth_now(self) -> dict[tuple[float, int], Floats]:
        """Return what each price is worth in the first period, by price and changes left, over the stock's grid."""
        states = list(product(self.prices, range(self.changes + 1)))
        ahead = dict.fromkeys(states, self.salvage * self.grid - self.penalty * np.maximum(self.grid - self.target, 0))
        worth = self._worth(ahead)
        for _ in range(self.periods - 1):
            ahead = {(before, changes): self._best(worth, before, changes) for before, changes in states}
            worth = self._worth(ahead)
        return worth

    def _worth(self, ahead: Mapping[tuple[float, int], Floats]) -> dict[tuple[float, int], Floats]:
        worth = {}
        for (price, changes), value in ahead.items():
            moves, sales = self._periods[price]
            worth[price, changes] = price * sales + moves @ value
        return worth

    def _best(self, worth: Mapping[tuple[float, int], Floats], before: float, changes: int) -> Floats:
        options = [(price, self._left(before, price, changes)) for price in self.prices]
        best: Floats = np.max([worth[price, left] for price, left in options if left >= 0], axis=0)
        return best

    @cached_property
    def _periods(self) -> dict[float, tuple[Floats, Floats]]:
        """Return by price where a period takes the stock, (cell, cell) probabilities, and what it sells."""
        chances = {price: self._chances(price) for price in self.prices}
        return {price: (self._moves(each), self._expected_sales(each)) for price, each in chances.items()}

    def _chances(self, price: float) -> list[float]:
        """Return P(D = d) for d from 0 to the stock, over both posteriors."""
        ratio = math.log(price / self.reference)
        total = [0.0] * (self.stock + 1)
        for (z_e, w_e), (z_q, w_q) in product(FIVE_NODES, THREE_NODES):
            level = math.log(self.demand) - self.log_demand_sd**2 / 2 + self.log_demand_sd * z_q
            log_mean = min(level + (self.elasticity + self.elasticity_sd * z_e) * ratio, LARGEST_LOG_MEAN)
            mean = math.exp(log_mean)
            for units in range(self.stock + 1):
                total[units] += w_e * w_q * math.exp(units * log_mean - mean - math.lgamma(units + 1))
        return total

    def _moves(self, chances: list[float]) -> Floats:
        """A demand between two cells goes to both, in proportion; what exceeds the stock empties it."""
        falls = np.zeros(self.cells + 1)
        for units, chance in enumerate(chances):
            whole = int(units / self.cell)
            part = units / self.cell - whole
            for cell, share in ((whole, 1 - part), (whole + 1, part)):
                if cell < len(falls):
                    falls[cell] += chance * share
        moves = np.zeros((self.cells, self.cells))
        for cell in range(self.cells):
            moves[cell, cell - np.arange(cell)] = falls[:cell]
            moves[cell, 0] = 1 - falls[:cell].sum()
        return moves

    def _expected_sales(self, chances: list[float]) -> Floats:
        """Return E[min(D, s)] = Σ_{d < s} P(D > d) over the grid, which may lie between two units."""
        exceeds = 1 - np.cumsum(chances)
        whole = np.concatenate([[0.0], np.cumsum(exceeds)])
        sales: Floats = np.interp(self.grid, np.arange(len(whole)), whole)
        return sales
