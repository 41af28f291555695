"""Remember the lowest price that was offered beside the price in force, a day and listing: price law asks for it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from django.db import connection

from catalog.models import Channel, Listing, LowestOffer
from catalog.services.served_records import serve_anew

# A row that is met is locked even where nothing changes: only what is lower than what is known is sent here.
KEEP_LOWEST_SQL = """
INSERT INTO catalog_lowestoffer (listing_id, day, price)
SELECT listing, %s, price FROM unnest(%s::bigint[], %s::numeric[]) AS offered(listing, price) ORDER BY listing
ON CONFLICT (listing_id, day) DO UPDATE SET price = least(catalog_lowestoffer.price, excluded.price)
"""


def record_offers(*, channel: Channel, offers: Iterable[tuple[Listing, Decimal]], now: datetime) -> None:
    """Keep what was offered below the price in force, the lowest of a day, in the transaction that stores the offers.

    An offer at or above the price in force lowers no prior price and is not kept.
    """
    lowest: dict[int, Decimal] = {}
    for listing, price in offers:
        if price < listing.price_in_force:
            lowest[listing.pk] = min(price, lowest.get(listing.pk, price))
    day = now.astimezone(UTC).date()
    known = dict(LowestOffer.objects.filter(listing__in=lowest, day=day).values_list("listing_id", "price"))
    news = {pk: price for pk, price in lowest.items() if pk not in known or price < known[pk]}
    if news:
        with connection.cursor() as cursor:
            cursor.execute(KEEP_LOWEST_SQL, [day, list(news), list(news.values())])
        serve_anew(channel=channel.code, listing_ids=sorted(news))
