"""What a guardrail policy would do to the prices in force, before it is saved."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice

import numpy as np
from django.db.models import QuerySet

from catalog.guardrails import HARD_RULES, MISSING, Bools, ClampedBatch, clamp_batch, violations_batch
from catalog.models import Channel, GuardrailPolicy, Listing
from catalog.money import from_ticks
from catalog.selectors.listings import active_listings
from catalog.selectors.policies import PolicyBook
from catalog.selectors.pricing_facts import PricingFacts, pricing_facts

PAGE = 5_000
AT_MOST = 50_000  # 4 to 6 s on two busy cores
ROWS = 50


@dataclass(frozen=True)
class PreviewedPrice:
    """One price in force that the policy would move: where to, by which rule, and every clamp on the way."""

    listing: Listing
    price: Decimal
    allowed: Decimal
    rule: str
    trail: list[tuple[str, Decimal, Decimal]]


@dataclass
class PolicyPreview:
    """What a policy would do to the prices in force of one channel, beside all other policies as they are.

    The policy has ``in_scope`` listings, of which the first ``examined``, by key, were looked at. ``moved`` counts
    prices that the guardrails would move and that today's leave, or move elsewhere; ``moved_by_rule`` by each rule
    that moves them. ``breaking`` of the moved break a hard rule: the gate would refuse to publish them as they are.
    ``outside_already`` counts those that today's guardrails move just the same, ``released`` those that today's move
    and the policy leaves, ``unpriced`` those without a cost.
    """

    channel: Channel
    in_scope: int = 0
    examined: int = 0
    moved: int = 0
    breaking: int = 0
    outside_already: int = 0
    released: int = 0
    unpriced: int = 0
    moved_by_rule: Counter[str] = field(default_factory=Counter)
    rows: list[PreviewedPrice] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return self.examined == self.in_scope


def policy_preview(
    *, policy: GuardrailPolicy, channel: Channel, now: datetime, at_most: int = AT_MOST, rows: int = ROWS
) -> PolicyPreview:
    """Clamp the prices in force to the guardrails as they would be with ``policy``, saved or not; save nothing.

    A page of listings is in memory at a time.
    """
    listings = _in_scope(policy, channel)
    preview = PolicyPreview(channel, in_scope=listings.count())
    books = PolicyBook.for_channel(channel), PolicyBook.for_channel(channel, proposed=policy)
    for page in _pages(listings, at_most):
        before, after = (pricing_facts(channel=channel, listings=page, now=now, book=book) for book in books)
        _add_page(preview, before, after, rows)
    return preview


def _in_scope(policy: GuardrailPolicy, channel: Channel) -> QuerySet[Listing]:
    listings = active_listings(channel=channel.code).select_related(None).select_related("product").order_by("pk")
    if policy.category is not None:
        return listings.filter(product__category=policy.category)
    if policy.product is not None:
        return listings.filter(product=policy.product)
    return listings if policy.channel in (None, channel) else listings.none()


def _pages(listings: QuerySet[Listing], at_most: int) -> Iterator[list[Listing]]:
    rows = listings[:at_most].iterator(chunk_size=PAGE)
    while page := list(islice(rows, PAGE)):
        yield page


def _add_page(preview: PolicyPreview, before: PricingFacts[Listing], after: PricingFacts[Listing], rows: int) -> None:
    """Count one page: where the price in force would end with the policy, beside where it ends today."""
    price = after.facts.current_ticks
    now, then = (clamp_batch(price, each.limits, each.facts) for each in (before, after))
    priced = then.price != MISSING
    outside = priced & (then.price != price)
    moved = outside & (then.price != now.price)
    broken = violations_batch(price, after.limits, after.facts)
    breaking = np.logical_or.reduce([broken[rule] for rule in HARD_RULES])
    preview.examined += len(after)
    preview.unpriced += int((~priced).sum())
    preview.moved += int(moved.sum())
    preview.outside_already += int((outside & ~moved).sum())
    preview.released += int((priced & ~outside & (now.price != price)).sum())
    preview.breaking += int((moved & breaking).sum())
    for rule, count in _moves(then, moved):
        preview.moved_by_rule[rule] += count
    for index in moved.nonzero()[0][: rows - len(preview.rows)].tolist():
        preview.rows.append(_row(after, then, index))


def _moves(clamped: ClampedBatch, where: Bools) -> Iterator[tuple[str, int]]:
    """Yield (rule, how many of the prices it moves) for the rules that move any."""
    before = clamped.candidate
    for rule, after in clamped.steps:
        if count := int((where & (after != before)).sum()):
            yield rule.label, count
        before = after


def _row(facts: PricingFacts[Listing], clamped: ClampedBatch, index: int) -> PreviewedPrice:
    exponent = facts.channel.currency_exponent
    listing, clamp = facts.listings[index], clamped.row(index)
    assert clamp.price is not None
    return PreviewedPrice(
        listing=listing,
        price=listing.price_in_force,
        allowed=from_ticks(clamp.price, exponent),
        rule=clamp.rule.label,
        trail=[(rule, from_ticks(low, exponent), from_ticks(high, exponent)) for rule, low, high in clamp.trail],
    )
