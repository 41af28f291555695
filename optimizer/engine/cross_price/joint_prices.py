"""The prices of a category that earn most together, under its elasticities."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from catalog.guardrails import Ints

from ..pricing_arrays import Floats

MOST_SWEEPS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPrices:
    """Hold the prices found: column and price of each product, and the category's profit before, alone and together.

    ``profit_alone`` is what the prices bring that would be best if each product's neighbours did not matter.
    """

    choice: Ints
    price: Floats
    profit: float
    profit_before: float
    profit_alone: float


def joint_prices(
    *, elasticity: Floats, price: Floats, unit_cost: Floats, demand: Floats, candidates: Floats
) -> JointPrices:
    """Choose one candidate price a product so that the category earns most.

    Q_i = demand_i·Π_j (p_j/price_j)^e_ij. One product after another takes the price that is best for the whole category
    given the others', until none moves: profit rises with every move, so it ends, at prices that no single change
    betters. It begins at today's prices and at those that are best alone, and keeps the better end.

    Args:
        elasticity: (product, product), rows demand, columns prices.
        price, unit_cost, demand: (product,) today's, currency and units.
        candidates: (product, candidate) admissible prices, currency.

    Raises:
        ValueError: shapes that do not go together; the message says what to give.

    Source: Talluri & van Ryzin (2004), section 7.3 (several products).
    """
    products = len(price)
    if elasticity.shape != (products, products) or candidates.ndim != 2 or len(candidates) != products:
        raise ValueError(
            f"elasticity, candidates: got {elasticity.shape} and {candidates.shape}; give ({products}, {products}) and "
            f"({products}, candidates)"
        )
    category = _Category(elasticity, price, unit_cost, demand, candidates)
    today = np.abs(candidates - price[:, None]).argmin(1)
    alone = category.best_alone()
    ends = [category.climb(start) for start in (today, alone)]
    best = max(ends, key=category.profit)
    return JointPrices(
        choice=best,
        price=candidates[np.arange(products), best],
        profit=category.profit(best),
        profit_before=float(((price - unit_cost) * demand).sum()),
        profit_alone=category.profit(alone),
    )


@dataclass(frozen=True, slots=True)
class _Category:
    elasticity: Floats
    price: Floats
    unit_cost: Floats
    demand: Floats
    candidates: Floats

    def profit(self, choice: Ints) -> float:
        chosen = self.candidates[np.arange(len(choice)), choice]
        units = self.demand * np.exp(self.elasticity @ np.log(chosen / self.price))
        return float(((chosen - self.unit_cost) * units).sum())

    def best_alone(self) -> Ints:
        moves = np.log(self.candidates / self.price[:, None])
        own = np.diag(self.elasticity)[:, None]
        profit = (self.candidates - self.unit_cost[:, None]) * self.demand[:, None] * np.exp(own * moves)
        return np.asarray(profit.argmax(1))

    def climb(self, start: Ints) -> Ints:
        choice = start.copy()
        for _ in range(MOST_SWEEPS):
            before = choice.copy()
            for product in range(len(choice)):
                choice[product] = self._best_of(product, choice)
            if (choice == before).all():
                break
        return choice

    def _best_of(self, product: int, choice: Ints) -> int:
        chosen = self.candidates[np.arange(len(choice)), choice]
        moves = np.log(chosen / self.price)
        moves[product] = 0.0
        others = self.elasticity @ moves
        own = np.log(self.candidates[product] / self.price[product])
        units = self.demand[:, None] * np.exp(others[:, None] + self.elasticity[:, product, None] * own)
        margin = np.repeat((chosen - self.unit_cost)[:, None], len(own), axis=1)
        margin[product] = self.candidates[product] - self.unit_cost[product]
        return int((margin * units).sum(0).argmax())
