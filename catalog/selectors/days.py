"""What a listing's price did within the last day: what the limits of a day are measured against."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from catalog.lookups import id_array

DAY = timedelta(hours=24)

# Two look-ups in the ledger's (listing, valid_from) index a listing; every change counts, whoever made it. A first
# list price has nothing before it: it is where the day begins, and no change.
DAYS_SQL = """
SELECT wanted.id, coalesce(before.price, recent.first_price), recent.changes
  FROM unnest(%(listings)s::bigint[]) wanted (id)
  LEFT JOIN LATERAL (
       SELECT price FROM catalog_pricechange
        WHERE listing_id = wanted.id AND valid_from <= %(start)s ORDER BY valid_from DESC, version DESC LIMIT 1
  ) before ON true
 CROSS JOIN LATERAL (
       SELECT (array_agg(coalesce(previous_price, price) ORDER BY version))[1] AS first_price,
              count(*) FILTER (WHERE price <> previous_price) AS changes
         FROM catalog_pricechange WHERE listing_id = wanted.id AND valid_from > %(start)s
  ) recent
"""


@dataclass(frozen=True)
class PriceDay:
    """The price that was in force when the day began, and how often it changed since."""

    start_price: Decimal
    changes: int


def day_start(now: datetime) -> datetime:
    """Return when the day before ``now`` began: a rolling window, the same in every time zone."""
    return now - DAY


def price_days(*, listing_ids: Sequence[int], now: datetime) -> dict[int, PriceDay]:
    """Return the last day of each listing that has anything in the ledger, by listing id, in one query."""
    if not listing_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(DAYS_SQL, {"listings": id_array(listing_ids), "start": day_start(now)})
        return {pk: PriceDay(price, changes) for pk, price, changes in cursor.fetchall() if price is not None}
