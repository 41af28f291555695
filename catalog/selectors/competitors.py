"""The competitor reference price: the median of the offers that can be believed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

STALE_AFTER = timedelta(days=14)
ABSURD_FACTOR = 3  # an offer under a third of our price, or over three times it, is taken for an error of matching

REFERENCE_SQL = """
SELECT offer.listing_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY offer.price), max(offer.observed_at),
       bool_or(offer.assumed)
  FROM catalog_competitorprice offer JOIN catalog_listing listing ON listing.id = offer.listing_id
  JOIN catalog_channel channel ON channel.id = listing.channel_id
 WHERE offer.listing_id = ANY(%(listings)s) AND offer.observed_at > %(fresh)s AND offer.observed_at <= %(now)s
   AND offer.price BETWEEN coalesce(listing.price, listing.list_price) / %(absurd)s
                       AND coalesce(listing.price, listing.list_price) * %(absurd)s
   AND lower(offer.competitor) <> ALL (SELECT lower(own) FROM unnest(channel.own_sellers) own)
 GROUP BY offer.listing_id
"""


def competitor_reference_prices(
    *, listing_ids: Sequence[int], now: datetime
) -> dict[int, tuple[Decimal, datetime, bool]]:
    """Return (median price, newest observation, whether any was assumed) by listing; no stale, absurd or own offers."""
    with connection.cursor() as cursor:
        cursor.execute(
            REFERENCE_SQL,
            {"listings": list(listing_ids), "now": now, "fresh": now - STALE_AFTER, "absurd": ABSURD_FACTOR},
        )
        return {listing: (price, seen, assumed) for listing, price, seen, assumed in cursor.fetchall()}
