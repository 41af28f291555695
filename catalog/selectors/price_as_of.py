"""Which price applied at a past moment, as the ledger knows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from catalog.models import Listing, PriceChange
from catalog.models.listing import PriceSource
from catalog.price_law import Judgement, judge_price
from catalog.selectors.price_laws import applied_prices, price_laws, prices_beside


class MomentRefused(ValueError):
    """The moment has no time zone, or lies in the future."""


@dataclass(frozen=True)
class PriceAsOf:
    """``version`` is 0 and ``valid_from`` None where the list price applied, before anything was published."""

    listing: Listing
    price: Decimal
    version: int
    source: str
    valid_from: datetime | None
    decision_id: int | None
    law: Judgement


def price_as_of(*, listings: Sequence[Listing], at: datetime, now: datetime) -> dict[int, PriceAsOf]:
    """Return the price of each listing (with its channel) that applied at a moment, by listing id.

    Before its first row a listing's list price applied, which that row names as the price before it. A listing is
    absent where nothing is known: it had no price yet, or the rows of that time were purged. The law is today's, the
    history only what had been published by then.

    Raises:
        MomentRefused: ``at`` has no time zone, or is later than ``now``.
    """
    if at.tzinfo is None:
        raise MomentRefused("give the time zone as well, such as 2026-11-26T12:00:00Z")
    if at > now:
        raise MomentRefused("this moment has not come yet: give one in the past")
    keys = [listing.pk for listing in listings]
    rows = _rows_in_force(keys, at)
    first = _first_rows([pk for pk in keys if pk not in rows])
    laws = price_laws(listing.channel.country for listing in listings)
    histories = applied_prices(listing_ids=list(rows), until=at, rules=laws.values())
    beside = prices_beside(listing_ids=keys)
    found: dict[int, PriceAsOf] = {}
    for listing in listings:
        row = rows.get(listing.pk)
        before = histories[listing.pk].price_before if row else _price_before(listing, first.get(listing.pk))
        if row is None and before is None:
            continue
        changes = histories[listing.pk].changes if row else []
        law = judge_price(
            changes, at=at, rule=laws[listing.channel.country], price_before=before, beside=beside.get(listing.pk, ())
        )
        found[listing.pk] = _from_row(listing, row, law) if row else _list_price(listing, before or Decimal(0), law)
    return found


def _rows_in_force(listing_ids: Sequence[int], at: datetime) -> dict[int, PriceChange]:
    rows = PriceChange.objects.filter(listing_id__in=listing_ids, valid_from__lte=at)
    newest = rows.order_by("listing_id", "-valid_from", "-version").distinct("listing_id")
    return {row.listing_id: row for row in newest.defer("explanation")}


def _first_rows(listing_ids: Sequence[int]) -> dict[int, PriceChange]:
    rows = PriceChange.objects.filter(listing_id__in=listing_ids)
    return {row.listing_id: row for row in rows.order_by("listing_id", "version").distinct("listing_id")}


def _price_before(listing: Listing, first: PriceChange | None) -> Decimal | None:
    if first is None:
        return listing.list_price
    return first.previous_price if first.version == 1 else None


def _from_row(listing: Listing, row: PriceChange, law: Judgement) -> PriceAsOf:
    return PriceAsOf(listing, row.price, row.version, row.source, row.valid_from, row.pk, law)


def _list_price(listing: Listing, price: Decimal, law: Judgement) -> PriceAsOf:
    return PriceAsOf(listing, price, 0, PriceSource.LIST_PRICE.value, None, None, law)
