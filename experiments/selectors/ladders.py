"""The few prices that the bandit may try for a listing: steps around its list price, inside today's guardrails."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from catalog.guardrails import clamp_batch, hard_floor_ticks
from catalog.models import Listing
from catalog.models.listing import HELD_SOURCES, PriceSource
from catalog.money import to_ticks
from catalog.selectors.kill_switches import SwitchesOn, switches_on
from catalog.selectors.listings import active_listings
from catalog.selectors.pricing_facts import PricingFacts, pricing_facts

# Anchored on the list price, so that an arm keeps its price while the price in force moves. Basis points.
LADDER_BP = (-1000, -500, 0, 500, 1000)


@dataclass(frozen=True)
class Ladder:
    """The admissible prices of one listing in ticks, rising; none, with the reason, where it may not be priced."""

    listing: Listing
    prices: tuple[int, ...]
    floor: int
    held_because: str = ""


def price_ladders(*, channel: str, skus: Collection[str], now: datetime) -> dict[str, Ladder]:
    """Return the ladder of each active listing by SKU. A missing cost, a person's override or a kill switch leaves it
    empty."""
    listings = active_listings(channel=channel).filter(product__sku__in=skus).order_by("pk")
    first = listings.first()
    if first is None:
        return {}
    facts = pricing_facts(channel=first.channel, listings=listings, now=now)
    floors = hard_floor_ticks(facts.limits, facts.facts)
    switches = switches_on()
    ladders = zip(facts.listings, _clamped_steps(facts), floors.tolist(), strict=True)
    return {row.product.sku: _ladder(row, prices, floor, switches) for row, prices, floor in ladders}


def _clamped_steps(facts: PricingFacts) -> list[list[int]]:
    """Return (listing, step) ticks: equal neighbours where the guardrails leave less room than the ladder is wide."""
    exponent = facts.channel.currency_exponent
    anchors = np.array([to_ticks(row.list_price, exponent) for row in facts.listings], dtype=np.int64)
    steps = anchors[:, None] * (10_000 + np.array(LADDER_BP)) // 10_000
    repeat = np.repeat(np.arange(len(facts)), len(LADDER_BP))
    clamped = clamp_batch(steps.ravel(), facts.limits.take(repeat), facts.facts.take(repeat))
    prices: list[list[int]] = clamped.price.reshape(steps.shape).tolist()
    return prices


def _ladder(row: Listing, prices: list[int], floor: int, switches: SwitchesOn) -> Ladder:
    bandit = (PriceSource.BANDIT.value,)
    if switches.covers(channel_id=row.channel_id, category_id=row.product.category_id, models=bandit):
        return Ladder(row, (), floor, held_because="kill_switch")
    if row.price_source in HELD_SOURCES:
        return Ladder(row, (), floor, held_because="override")
    if row.unit_cost is None or row.unit_cost <= 0:
        return Ladder(row, (), floor, held_because="missing_cost")
    return Ladder(row, tuple(sorted(set(prices))), floor)
