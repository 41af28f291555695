"""How near the decided prices come to the best ones of a simulated market."""

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

from streaming.simulation import Shoppers

LAST = 1_000


class MarketScore:
    """Compare each decision with the best of the prices seen so far in its context, by the market's own demand.

    ``best_share``: of the last thousand decisions, the share at the best price. ``regret``: the share of the expected
    reward (price × purchase probability) that all decisions together lost against it.
    """

    def __init__(self, shoppers: Shoppers) -> None:
        self.shoppers = shoppers
        self.seen: dict[tuple[str, ...], set[float]] = defaultdict(set)
        self.last: deque[bool] = deque(maxlen=LAST)
        self.earned = self.possible = 0.0
        self.counted = 0

    def count(self, decision: Mapping[str, Any]) -> None:
        self.counted += 1
        prices = self.seen[tuple(str(decision[name]) for name in ("channel", "sku", "location", "intensity"))]
        price = float(decision["price"])
        prices.add(price)
        reward = {each: each * self.shoppers.purchase_probability(decision, each) for each in prices}
        best = max(reward, key=lambda each: reward[each])
        self.last.append(price == best)
        self.earned += reward[price]
        self.possible += reward[best]

    @property
    def best_share(self) -> float:
        return sum(self.last) / len(self.last) if self.last else 0.0

    @property
    def regret(self) -> float:
        return 1 - self.earned / self.possible if self.possible else 0.0
