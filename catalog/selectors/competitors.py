"""The competitor reference price: the median of the offers that can be believed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from catalog.lookups import id_array

STALE_AFTER = timedelta(days=14)

# An offer under a third of the list price, or over three times it, is taken for an error of matching. Not of the price
# in force: two repricers that drove each other down would take the true market for absurd and never come back up.
ABSURD_FACTOR = 3

# Believable offers move the reference at most to half or twice the list price. Two repricers that each want to be the
# dearer one would otherwise drive each other up without end; inside ABSURD_FACTOR, so that they settle at the limit
# instead of ignoring each other there and beginning anew.
REACH_FACTOR = 2

REFERENCE_SQL = """
SELECT offer.listing_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY offer.price), max(offer.observed_at),
       bool_or(offer.assumed), listing.list_price
  FROM catalog_competitorprice offer JOIN catalog_listing listing ON listing.id = offer.listing_id
  JOIN catalog_channel channel ON channel.id = listing.channel_id
 WHERE offer.listing_id = ANY(%(listings)s::bigint[]) AND offer.observed_at > %(fresh)s AND offer.observed_at <= %(now)s
   AND offer.price BETWEEN listing.list_price / %(absurd)s AND listing.list_price * %(absurd)s
   AND lower(offer.competitor) <> ALL (SELECT lower(own) FROM unnest(channel.own_sellers) own)
 GROUP BY offer.listing_id, listing.list_price
"""


def within_reach(median: Decimal, list_price: Decimal) -> Decimal:
    """Return the median offer, but no less than half and no more than twice the list price, to four decimals."""
    lowest, highest = list_price / REACH_FACTOR, list_price * REACH_FACTOR
    return max(min(median, highest), lowest.quantize(Decimal("0.0001")))


def competitor_reference_prices(
    *, listing_ids: Sequence[int], now: datetime
) -> dict[int, tuple[Decimal, datetime, bool]]:
    """Return (median price within reach, newest observation, whether any was assumed) by listing.

    Stale and absurd offers and the shop's own do not count.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            REFERENCE_SQL,
            {"listings": id_array(listing_ids), "now": now, "fresh": now - STALE_AFTER, "absurd": ABSURD_FACTOR},
        )
        return {
            listing: (within_reach(median, list_price), seen, assumed)
            for listing, median, seen, assumed, list_price in cursor.fetchall()
        }
