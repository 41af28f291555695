"""What the guardrails and the optimiser must know about listings, in integer minor units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar, cast

import numpy as np

from catalog.guardrails import GuardrailBatch, PriceFacts, ResolvedGuardrails, int_column
from catalog.models import Channel
from catalog.money import to_cost_units, to_ticks
from catalog.selectors.competitors import competitor_reference_prices
from catalog.selectors.days import PriceDay, day_start, price_days
from catalog.selectors.listing_rows import PricedListing
from catalog.selectors.policies import PolicyBook

Row = TypeVar("Row", covariant=True)  # a PricedListing; as a bound it would be asked before models have their fields


@dataclass(frozen=True)
class PricingFacts(Generic[Row]):
    """Current facts and limits of some listings of one channel; every sequence has one entry a listing."""

    channel: Channel
    listings: Sequence[Row]
    facts: PriceFacts
    limits: GuardrailBatch
    resolved: list[ResolvedGuardrails]
    competitors: dict[int, tuple[Decimal, datetime, bool]]
    day_start: datetime
    policy_versions: dict[str, int]

    def __len__(self) -> int:
        return len(self.listings)

    def limits_in_force(self, index: int) -> dict[str, dict[str, Any]]:
        """Return one listing's limits by name: value, scope, and the policy's version where one was kept; JSON-able."""
        resolved = self.resolved[index]
        limits: dict[str, dict[str, Any]] = {}
        for name, value in resolved.guardrails.as_dict().items():
            if value not in (None, []):
                scope = resolved.sources[name]
                version = self.policy_versions.get(scope)
                limits[name] = {"value": value, "scope": scope} | ({"policy_version": version} if version else {})
        return limits


def pricing_facts(
    *, channel: Channel, listings: Iterable[Row], now: datetime, book: PolicyBook | None = None
) -> PricingFacts[Row]:
    """Read the facts of the given listings of ``channel`` in their order; ``book`` for policies that are not saved."""
    listed = list(listings)
    rows = cast(list[PricedListing], listed)
    exponent = channel.currency_exponent
    book = book or PolicyBook.for_channel(channel)
    resolved = [book.resolve(category_id=row.product.category_id, product_id=row.product_id) for row in rows]
    competitors = competitor_reference_prices(listing_ids=[row.pk for row in rows], now=now)
    return PricingFacts(
        channel=channel,
        listings=listed,
        facts=_price_facts(rows, competitors, _days(rows, resolved, now), exponent),
        limits=_limits(resolved),
        resolved=resolved,
        competitors=competitors,
        day_start=day_start(now),
        policy_versions=book.versions,
    )


def _limits(resolved: Sequence[ResolvedGuardrails]) -> GuardrailBatch:
    """Return one row a listing, written once for all that share a resolution."""
    distinct = {id(each): each for each in resolved}
    position = {key: at for at, key in enumerate(distinct)}
    rows = np.array([position[id(each)] for each in resolved], dtype=np.int64)
    return GuardrailBatch.from_rows([each.guardrails for each in distinct.values()]).take(rows)


def _days(rows: Sequence[PricedListing], resolved: Sequence[ResolvedGuardrails], now: datetime) -> dict[int, PriceDay]:
    """Return the last day of the listings that have a limit of a day; the ledger is read for those that changed."""
    limited = [row for row, each in zip(rows, resolved, strict=True) if each.guardrails.limits_a_day]
    changed = {row.pk for row in limited if row.price_since is not None and row.price_since > day_start(now)}
    still = {row.pk: PriceDay(row.price_in_force, 0) for row in limited if row.pk not in changed}
    return still | price_days(listing_ids=sorted(changed), now=now)


def _price_facts(
    rows: Sequence[PricedListing],
    competitors: dict[int, tuple[Decimal, datetime, bool]],
    days: dict[int, PriceDay],
    exponent: int,
) -> PriceFacts:
    return PriceFacts(
        cost_units=int_column(
            [None if row.unit_cost is None else to_cost_units(row.unit_cost, exponent) for row in rows]
        ),
        current_ticks=int_column([to_ticks(row.price_in_force, exponent) for row in rows]),
        stock=int_column([row.inventory for row in rows]),
        competitor_ticks=int_column(
            [to_ticks(competitors[row.pk][0], exponent) if row.pk in competitors else None for row in rows]
        ),
        day_start_ticks=int_column(
            [to_ticks(days[row.pk].start_price, exponent) if row.pk in days else None for row in rows]
        ),
        changes_today=int_column([days[row.pk].changes if row.pk in days else None for row in rows]),
    )
