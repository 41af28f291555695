"""Served records as the database knows them: what Redis is filled from and what stands in for it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from catalog.models import Listing, PriceChange
from catalog.models.listing import PriceSource
from catalog.money import amount_text
from catalog.price_cache import ServedRecord
from catalog.selectors.prior_price import lowest_recent_prices

CHANGE_FIELDS = ("id", "previous_price", "prior_price", "binding_rule", "personalised")


def served_records(*, channel: str, skus: Sequence[str]) -> dict[str, ServedRecord]:
    """Return the record of each active SKU of the channel, by SKU."""
    listings = Listing.objects.filter(channel__code=channel, product__sku__in=skus, product__is_active=True)
    return _records(listings, timezone.now())


def served_records_after(*, channel: str, after_pk: int, limit: int) -> tuple[dict[str, ServedRecord], int | None]:
    """Return the next ``limit`` records in primary-key order and the key to go on after; None when done."""
    keys = list(
        Listing.objects.filter(channel__code=channel, product__is_active=True, pk__gt=after_pk)
        .order_by("pk")
        .values_list("pk", flat=True)[:limit]
    )
    if not keys:
        return {}, None
    return _records(Listing.objects.filter(pk__in=keys), timezone.now()), keys[-1]


def _records(listings: QuerySet[Listing], now: datetime) -> dict[str, ServedRecord]:
    rows = list(_with_change(listings.select_related("product", "channel")))
    lowest = lowest_recent_prices(listing_ids=[row.pk for row in rows], until=now)
    return {row.product.sku: _record(row, lowest) for row in rows}


def _with_change(listings: QuerySet[Listing]) -> Iterable[Any]:
    change = PriceChange.objects.filter(listing=OuterRef("pk"), version=OuterRef("price_version"))
    return listings.annotate(
        **{f"change_{name}": Subquery(change.values(name)[:1]) for name in CHANGE_FIELDS}
    ).order_by(F("pk"))


def _record(row: Any, lowest: dict[int, Any]) -> ServedRecord:
    exponent = row.channel.currency_exponent
    price = row.price_in_force
    reduced = row.change_previous_price is not None and price < row.change_previous_price
    prior = row.change_prior_price if reduced else lowest.get(row.pk, price)
    return {
        "sku": row.product.sku,
        "channel": row.channel.code,
        "price": amount_text(price, exponent),
        "currency": row.channel.currency,
        "list_price": amount_text(row.list_price, exponent),
        "version": row.price_version,
        "source": row.price_source or PriceSource.LIST_PRICE.value,
        "binding_rule": row.change_binding_rule or None,
        "decision_id": str(row.change_id) if row.change_id else None,
        "prior_price": amount_text(prior, exponent),
        "personalised": bool(row.change_personalised),
        "assumed": row.assumed_facts,
    }
