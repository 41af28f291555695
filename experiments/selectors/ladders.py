"""The few prices that the bandit may try for a listing: steps around its list price, inside today's guardrails."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from catalog.gate import Proposal
from catalog.guardrails import clamp_batch, hard_floor_ticks
from catalog.models import Channel, Listing
from catalog.models.listing import HELD_SOURCES, PriceSource
from catalog.money import from_ticks, to_ticks
from catalog.selectors.approval_policies import ApprovalBook
from catalog.selectors.kill_switches import SwitchesOn, switches_on
from catalog.selectors.listings import active_listings
from catalog.selectors.price_groups import RelatedListings, related_listings
from catalog.selectors.pricing_facts import PricingFacts, pricing_facts
from catalog.services.measured import measured_listings
from catalog.services.parking import NEEDS_APPROVAL, risks_of

# Anchored on the list price, so that an arm keeps its price while the price in force moves. Basis points.
LADDER_BP = (-1000, -500, 0, 500, 1000)


@dataclass(frozen=True)
class Ladder:
    """The admissible prices of one listing in ticks, rising; none, with the reason, where it may not be priced.

    ``steps``: the step of `LADDER_BP` that each price is, or is nearest to after its guardrails.
    """

    listing: Listing
    prices: tuple[int, ...]
    steps: tuple[int, ...]
    floor: int
    held_because: str = ""


def price_ladders(*, channel: str, skus: Collection[str], now: datetime) -> dict[str, Ladder]:
    """Return the ladder of each active listing by SKU.

    It is empty, with the reason, where the cost is missing, a person's override is in force, a markdown plan sets the
    price, the listing is held out or in an experiment, a kill switch is on, or no price is left: one that would need a
    second person or break a relation of products is no arm, as an event cannot wait.
    """
    listings = active_listings(channel=channel).filter(product__sku__in=skus).order_by("pk")
    first = listings.first()
    if first is None:
        return {}
    facts = pricing_facts(channel=first.channel, listings=listings, now=now)
    floors = hard_floor_ticks(facts.limits, facts.facts)
    switches = switches_on()
    measured = measured_listings(listing_ids=[row.pk for row in facts.listings])
    ladders = zip(facts.listings, _clamped_steps(facts), floors.tolist(), strict=True)
    found = [_ladder(row, prices, floor, switches, measured) for row, prices, floor in ladders]
    return {each.listing.product.sku: each for each in _admitted(first.channel, found)}


def _admitted(channel: Channel, ladders: list[Ladder]) -> list[Ladder]:
    """Leave out the prices that exceed an approval policy, or take a relation of products further from being kept."""
    refused: dict[tuple[int, int], str] = {}
    needs_approval = not ApprovalBook.read(channel=channel, source=PriceSource.BANDIT).is_empty
    groups = related_listings(channel=channel, product_ids=[each.listing.product_id for each in ladders])
    for position in range(len(LADDER_BP)):
        steps = {
            each.listing: Proposal(each.listing.pk, from_ticks(each.prices[position], channel.currency_exponent), "")
            for each in ladders
            if position < len(each.prices)
        }
        prices = {row.pk: step for row, step in steps.items()}
        if needs_approval:
            risky = risks_of(channel=channel, listings=list(steps), prices=prices, source=PriceSource.BANDIT)
            refused |= {(pk, position): NEEDS_APPROVAL for pk in risky}
        refused |= {(pk, position): rule for pk, rule in _breaking(groups, prices).items()}
    return [_without(each, refused) for each in ladders]


def _breaking(groups: Sequence[RelatedListings], prices: Mapping[int, Proposal]) -> dict[int, str]:
    """Return the relation that each price would break beside the others' prices in force."""
    return {
        row.pk: group.rule.label
        for group in groups
        for row in group.listings
        if row.pk in prices and sum(group.shortfalls({row.pk: prices[row.pk].price})) > sum(group.shortfalls())
    }


def _without(ladder: Ladder, refused: Mapping[tuple[int, int], str]) -> Ladder:
    reasons = [refused.get((ladder.listing.pk, position), "") for position in range(len(ladder.prices))]
    kept = [at for at, reason in enumerate(reasons) if not reason]
    return replace(
        ladder,
        prices=tuple(ladder.prices[at] for at in kept),
        steps=tuple(ladder.steps[at] for at in kept),
        held_because=ladder.held_because or ("" if kept else reasons[-1]),
    )


def _clamped_steps(facts: PricingFacts[Listing]) -> list[dict[int, int]]:
    """Return the step of each price, by listing: fewer than steps where the guardrails leave less room than those."""
    exponent = facts.channel.currency_exponent
    anchors = np.array([to_ticks(row.list_price, exponent) for row in facts.listings], dtype=np.int64)
    steps = anchors[:, None] * (10_000 + np.array(LADDER_BP)) // 10_000
    repeat = np.repeat(np.arange(len(facts)), len(LADDER_BP))
    clamped = clamp_batch(steps.ravel(), facts.limits.take(repeat), facts.facts.take(repeat))
    rows = zip(clamped.price.reshape(steps.shape).tolist(), steps.tolist(), strict=True)
    return [_nearest_steps(prices, wanted) for prices, wanted in rows]


def _nearest_steps(prices: Sequence[int], wanted: Sequence[int]) -> dict[int, int]:
    """Return for each different price, rising, the step that wanted one nearest to it."""
    nearest: dict[int, int] = {}
    for step in sorted(range(len(prices)), key=lambda step: -abs(prices[step] - wanted[step])):
        nearest[prices[step]] = step
    return dict(sorted(nearest.items()))


def _ladder(
    row: Listing, steps: Mapping[int, int], floor: int, switches: SwitchesOn, measured: Mapping[int, str]
) -> Ladder:
    bandit = (PriceSource.BANDIT.value,)
    if switches.covers(channel_id=row.channel_id, category_id=row.product.category_id, models=bandit):
        return Ladder(row, (), (), floor, held_because="kill_switch")
    if row.price_source in HELD_SOURCES:
        return Ladder(row, (), (), floor, held_because="override")
    if row.markdown_until is not None:
        return Ladder(row, (), (), floor, held_because="markdown_running")
    if row.pk in measured:
        return Ladder(row, (), (), floor, held_because=measured[row.pk])
    if row.unit_cost is None or row.unit_cost <= 0:
        return Ladder(row, (), (), floor, held_because="missing_cost")
    return Ladder(row, tuple(steps), tuple(steps.values()), floor)
