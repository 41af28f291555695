"""Park prices that need a second person: the gate's part of four eyes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from django.contrib.auth.models import User

from catalog.models import ApprovalPolicy, Channel, PriceApproval
from catalog.models.listing import PriceSource
from catalog.money import amount_text
from catalog.selectors.approval_policies import ApprovalBook, weekly_units
from catalog.selectors.listing_rows import PricedListing

NOT_APPROVED = "not_approved"
NEEDS_APPROVAL = "needs_approval"
WAITS_FOR_APPROVAL = "waits_for_approval"
LARGEST_CHANGE = Decimal("99999")


class Parkable(Protocol):
    """What the gate's proposals say."""

    @property
    def price(self) -> Decimal: ...
    @property
    def idempotency_key(self) -> str: ...
    @property
    def binding_rule(self) -> str: ...
    @property
    def explanation(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Risk:
    """Why a price needs a second person, in words, and what is at stake."""

    policy: ApprovalPolicy
    words: list[str]
    change: Decimal
    revenue: Decimal | None


@dataclass(frozen=True)
class Parked:
    """Listings whose price waits, and those whose very proposal was decided against before."""

    waiting: list[int]
    refused: dict[int, str]


def risks_of(
    *, channel: Channel, listings: Sequence[PricedListing], prices: Mapping[int, Parkable], source: PriceSource
) -> dict[int, Risk]:
    """Return the risk of each listing whose proposed price exceeds its policy; the others pass."""
    book = ApprovalBook.read(channel=channel, source=source)
    if book.is_empty:
        return {}
    governed = [(row, policy) for row in listings if (policy := book.policy_for(category_id=row.product.category_id))]
    units = _expected_units([row.pk for row, _ in governed], prices)
    found = {row.pk: _risk(row, policy, prices[row.pk].price, units.get(row.pk), channel) for row, policy in governed}
    return {pk: risk for pk, risk in found.items() if risk.words}


def park_risky_prices(
    *,
    channel: Channel,
    listings: Sequence[PricedListing],
    proposals: Mapping[int, Parkable],
    source: PriceSource,
    now: datetime,
    author: User | None,
    run_id: UUID | None,
    reason: str,
) -> Parked:
    """Park the proposals that exceed their policy, in the caller's transaction, which has locked the listings.

    A waiting price of the same listing is superseded. The same decision is parked once: proposed again it waits on, or
    is refused as ``not_approved`` where it was decided against.
    """
    risks = risks_of(channel=channel, listings=listings, prices=proposals, source=source)
    risky = [row for row in listings if row.pk in risks]
    known = _known_decisions(risky, proposals)
    fresh = [row for row in risky if row.pk not in known]
    supersede_waiting(listing_ids=[row.pk for row in fresh], now=now)
    PriceApproval.objects.bulk_create(
        [
            PriceApproval(
                listing_id=row.pk,
                price=proposals[row.pk].price,
                price_before=row.price_in_force,
                source=source,
                expected_version=row.price_version,
                idempotency_key=proposals[row.pk].idempotency_key,
                binding_rule=proposals[row.pk].binding_rule,
                explanation=proposals[row.pk].explanation,
                run_id=run_id,
                reason=reason,
                requested_by=author if source.is_asked_for else None,
                requested_at=now,
                risks=risks[row.pk].words,
                change=risks[row.pk].change,
                revenue_at_stake=risks[row.pk].revenue,
                expires_at=now + timedelta(hours=risks[row.pk].policy.expires_after_hours),
            )
            for row in fresh
        ],
        batch_size=2000,
    )
    waits = {pk for pk, status in known.items() if status == PriceApproval.Status.WAITING}
    return Parked(
        waiting=sorted({row.pk for row in fresh} | waits),
        refused=dict.fromkeys(sorted(known.keys() - waits), NOT_APPROVED),
    )


def supersede_waiting(*, listing_ids: Sequence[int], now: datetime) -> None:
    """Close what waits for these listings: a newer price was decided. Call it with the listings locked."""
    PriceApproval.objects.filter(listing_id__any_of=listing_ids, status=PriceApproval.Status.WAITING).update(
        status=PriceApproval.Status.SUPERSEDED, decided_at=now
    )


def withdraw_waiting(*, decisions: Mapping[int, str], now: datetime) -> None:
    """Close what waits under these idempotency keys, by listing: whoever asked for it no longer does."""
    waiting = PriceApproval.objects.filter(
        listing__in=decisions, idempotency_key__in=set(decisions.values()), status=PriceApproval.Status.WAITING
    )
    waiting.update(status=PriceApproval.Status.SUPERSEDED, decided_at=now)


def _known_decisions(rows: Sequence[PricedListing], proposals: Mapping[int, Parkable]) -> dict[int, str]:
    keys = {row.pk: proposals[row.pk].idempotency_key for row in rows}
    found = PriceApproval.objects.filter(listing__in=keys, idempotency_key__in=set(keys.values()))
    return {
        pk: status
        for pk, key, status in found.values_list("listing_id", "idempotency_key", "status")
        if keys[pk] == key
    }


def _expected_units(governed: Sequence[int], prices: Mapping[int, Parkable]) -> dict[int, float]:
    """Return units a week: what the decision itself expects, else what was sold."""
    expected: dict[int, float] = {}
    for pk in governed:
        demand = (prices[pk].explanation.get("expected") or {}).get("demand")
        if isinstance(demand, int | float):
            expected[pk] = float(demand)
    unknown = [pk for pk in governed if pk not in expected]
    return expected | weekly_units(listing_ids=unknown)


def _risk(row: PricedListing, policy: ApprovalPolicy, price: Decimal, units: float | None, channel: Channel) -> Risk:
    words = []
    change = min((price - row.price_in_force) / row.price_in_force, LARGEST_CHANGE)
    if policy.max_change is not None and abs(change) > policy.max_change:
        words.append(f"the price moves by {_percent(change)}, more than {_percent(policy.max_change)}")
    revenue = None if units is None else price * Decimal(str(round(units, 3)))
    limit = policy.max_revenue if policy.currency == channel.currency else None
    if limit is not None and revenue is not None and revenue > limit:
        at_stake, most = (amount_text(amount, channel.currency_exponent) for amount in (revenue, limit))
        words.append(f"{at_stake} {channel.currency} of revenue a week is at stake, more than {most}")
    if policy.kvi_needs_approval and row.product.is_kvi and change:
        words.append("shoppers judge the shop by this price (key value item)")
    return Risk(policy, words, change, revenue)


def _percent(fraction: Decimal) -> str:
    return f"{abs(fraction) * 100:.1f}".removesuffix(".0") + " %"
