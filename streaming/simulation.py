"""A made-up market for demonstrations and load tests: demand that arrives by the hour, and shoppers who answer prices.

Everything is a function of a seed: the same seed makes the same demand, and the same shopper answers the same however
often and by whichever process a decision is answered.
"""

import hashlib
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from streaming.topics import SCHEMA_VERSION

SUPPLY = {"london": 60, "leeds": 24, "glasgow": 20, "cardiff": 12}
"""Locations and the units at hand in each."""

# Requests by hour of the day, as shares of the supply: quiet nights, a lunch, a long evening.
BY_HOUR = (
    0.10, 0.07, 0.05, 0.04, 0.05, 0.10, 0.25, 0.45, 0.70, 0.90, 1.05, 1.20,
    1.35, 1.20, 1.00, 0.95, 1.05, 1.40, 1.90, 2.30, 2.40, 1.90, 1.00, 0.35,
)  # fmt: skip
WEEKEND = 1.3
MARKET_START = datetime(2026, 1, 5, 6, tzinfo=UTC)
"""Where the market's clock begins, a Monday: the same seed makes the same events on any day."""
SATURDAY = 5


def simulated_demand(
    *, channel: str, skus: Sequence[str], rng: np.random.Generator, start: datetime, step: timedelta
) -> Iterator[dict[str, Any]]:
    """Yield demand events without end, all but their time; the same for the same generator state.

    Args:
        start: where the market's own clock begins.
        step: by how much it moves on from one event to the next.
    """
    clock, locations = start, list(SUPPLY)
    while True:
        location = locations[int(rng.integers(len(locations)))]
        yield {
            "schema_version": SCHEMA_VERSION,
            "event_id": str(uuid.UUID(bytes=rng.bytes(16), version=4)),
            "channel": channel,
            "sku": skus[int(rng.integers(len(skus)))],
            "location": location,
            "demand": int(rng.poisson(expected_requests(location, clock))),
            "supply": SUPPLY[location],
        }
        clock += step


def expected_requests(location: str, clock: datetime) -> float:
    """Return the mean requests at a location and hour of the market's clock."""
    weekend = WEEKEND if clock.weekday() >= SATURDAY else 1.0
    return SUPPLY[location] * BY_HOUR[clock.hour] * weekend


@dataclass(frozen=True)
class Shoppers:
    """Shoppers buy at price p with probability conv · sigmoid((m − r)/s), r = p ÷ list price.

    conv, m and s are drawn for each context (listing, location, intensity) from the seed: where demand is high, m is
    higher.

    Args:
        seed: of everything hidden.
        delay_seconds: mean of the exponential time from the decision to the answer.
        drift_a_day: by how much m moves a day after `since`, as a share of the list price.
        jump: by how much m moves at `jump_at`, likewise.
        lost: share of the answers that never come.
        doubled: share of the answers that come twice.
    """

    seed: int = 0
    delay_seconds: float = 0.0
    drift_a_day: float = 0.0
    since: datetime | None = None
    jump: float = 0.0
    jump_at: datetime | None = None
    lost: float = 0.0
    doubled: float = 0.0

    def purchase_probability(self, decision: Mapping[str, Any], price: float | None = None) -> float:
        """Return the probability that a price is paid, the decided one unless another is asked about."""
        conversion, middle, spread = self._hidden(decision)
        asked = float(decision["price"]) if price is None else price
        return conversion / (1 + math.exp((asked / float(decision["list_price"]) - middle) / spread))

    def answer(self, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the shopper does, with the moment in ``occurred_at``."""
        rng = self._rng("answer", decision["decision_id"])
        delay = timedelta(seconds=float(rng.exponential(self.delay_seconds)) if self.delay_seconds else 0.0)
        return {
            "schema_version": SCHEMA_VERSION,
            "event_id": str(uuid.UUID(bytes=rng.bytes(16), version=4)),
            "decision_id": decision["decision_id"],
            "outcome": "purchased" if rng.random() < self.purchase_probability(decision) else "rejected",
            "occurred_at": (datetime.fromisoformat(decision["decided_at"]) + delay).isoformat(),
        }

    def deliveries(self, decision: Mapping[str, Any]) -> int:
        """Return how often the answer is sent: 0 where it is lost, 2 where it comes twice."""
        point = self._rng("delivery", decision["decision_id"]).random()
        if point < self.lost:
            return 0
        return 2 if point < self.lost + self.doubled else 1

    def _hidden(self, decision: Mapping[str, Any]) -> tuple[float, float, float]:
        context = f"{decision['channel']}:{decision['sku']}:{decision['location']}:{decision['intensity']}"
        rng = self._rng("context", context)
        conversion, middle, spread = rng.uniform(0.2, 0.6), rng.uniform(1.0, 1.16), rng.uniform(0.03, 0.10)
        middle += {"low": -0.05, "medium": 0.0, "high": 0.07}[decision["intensity"]]
        return float(conversion), float(middle) + self._moved(decision), float(spread)

    def _moved(self, decision: Mapping[str, Any]) -> float:
        at = datetime.fromisoformat(decision["decided_at"])
        drifted = (at - self.since) / timedelta(days=1) * self.drift_a_day if self.since else 0.0
        return drifted + (self.jump if self.jump_at and at >= self.jump_at else 0.0)

    def _rng(self, purpose: str, name: str) -> np.random.Generator:
        digest = hashlib.sha256(f"{self.seed}:{purpose}:{name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16]))
