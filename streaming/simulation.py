"""Made-up shoppers for demonstrations and load tests: demand that arrives, and what shoppers do at a price."""

import math
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from streaming.topics import SCHEMA_VERSION

LOCATIONS = ("london", "leeds", "glasgow", "cardiff")
SUPPLY = 20
PURCHASE_RATE = {"low": 0.18, "medium": 0.30, "high": 0.42}  # at the list price
# Steep enough that the best price is below the list price where demand is low, and above it where demand is high.
PRICE_SLOPE = 1.5


def simulated_demand(*, channel: str, skus: Sequence[str], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield demand events without end, all but their time; the same for the same generator state."""
    while True:
        yield {
            "schema_version": SCHEMA_VERSION,
            "event_id": str(uuid.UUID(bytes=rng.bytes(16), version=4)),
            "channel": channel,
            "sku": skus[int(rng.integers(len(skus)))],
            "location": LOCATIONS[int(rng.integers(len(LOCATIONS)))],
            "demand": int(rng.gamma(shape=2.0, scale=SUPPLY / 2)),
            "supply": SUPPLY,
        }


def purchase_probability(decision: dict[str, Any]) -> float:
    """Return a logit in the relative price: logit(q) = logit(q0) − slope · (price/list price − 1)."""
    base = PURCHASE_RATE[decision["intensity"]]
    relative = float(decision["price"]) / float(decision["list_price"]) - 1
    return 1 / (1 + (1 - base) / base * math.exp(PRICE_SLOPE * relative))


def simulated_outcome(decision: dict[str, Any], *, seed: int, now: datetime) -> dict[str, Any]:
    """Return what the shopper did; the same for the same decision and seed, however often it is asked."""
    rng = np.random.default_rng([seed, uuid.UUID(decision["decision_id"]).int])
    return {
        "schema_version": SCHEMA_VERSION,
        "event_id": str(uuid.UUID(bytes=rng.bytes(16), version=4)),
        "decision_id": decision["decision_id"],
        "outcome": "purchased" if rng.random() < purchase_probability(decision) else "rejected",
        "occurred_at": now.isoformat(),
    }
