"""Append prices that the gate let pass to the ledger, and bring them into force. Only the gate calls this."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from catalog.copying import copy_rows
from catalog.lookups import id_array
from catalog.models import Channel, PriceChange
from catalog.selectors.price_laws import price_laws
from catalog.selectors.prior_price import lowest_recent_prices


@dataclass(slots=True)
class LedgerRow:
    """A row of the ledger to be: a `PriceChange` without the cost of an instance, for there may be a million."""

    listing_id: int
    version: int
    price: Decimal
    previous_price: Decimal | None
    floor: Decimal | None
    valid_from: datetime
    source: str
    idempotency_key: str
    binding_rule: str
    explanation: dict[str, Any]
    run_id: UUID | None
    reason: str
    author_id: int | None
    approved_by_id: int | None
    personalised: bool = False
    prior_price: Decimal | None = None
    id: int | None = None


# The ranges say nothing new: with them alone Postgres knows that it need not read ledger and listings whole.
MOVE_LISTINGS_SQL = """
UPDATE catalog_listing listing
   SET price = change.price, price_version = change.version, price_source = change.source,
       price_since = change.valid_from, served_revision = nextval('catalog_served_revision')
  FROM catalog_pricechange change, catalog_product product
 WHERE change.id = ANY(%(changes)s::bigint[]) AND change.id BETWEEN %(first_change)s AND %(last_change)s
   AND listing.id = change.listing_id AND listing.id BETWEEN %(first_listing)s AND %(last_listing)s
   AND product.id = listing.product_id
RETURNING product.sku, listing.served_revision
"""


def append_to_ledger(*, channel: Channel, changes: Sequence[LedgerRow], now: datetime) -> dict[str, int]:
    """Store the changes and move their listings; return what the storefront has to be served, revisions by SKU."""
    if not changes:
        return {}
    until = max(now, *(change.valid_from for change in changes))
    rule = price_laws([channel.country])[channel.country]
    lowest = lowest_recent_prices(listing_ids=[change.listing_id for change in changes], until=until, rule=rule)
    for change in changes:
        first = change.previous_price if change.version == 1 else None  # the list price, which no row says
        change.prior_price = min(
            (price for price in (lowest.get(change.listing_id), first) if price is not None), default=change.price
        )
    copy_rows(PriceChange, changes)
    keys = [change.id for change in changes if change.id is not None]
    listings = [change.listing_id for change in changes]
    ranges = {
        "first_change": min(keys),
        "last_change": max(keys),
        "first_listing": min(listings),
        "last_listing": max(listings),
    }
    with connection.cursor() as cursor:
        cursor.execute(MOVE_LISTINGS_SQL, {"changes": id_array(keys), **ranges})
        return dict(cursor.fetchall())
