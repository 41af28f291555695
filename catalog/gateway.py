"""The price a shopper sees: served record from Redis, else one query. Nothing is decided here."""

from collections.abc import Sequence

from catalog import price_cache
from catalog.price_cache import ServedRecord
from catalog.selectors.served import served_records


def served_prices(*, channel: str, skus: Sequence[str]) -> dict[str, ServedRecord]:
    """Return the served record of each known SKU; unknown SKUs are absent.

    A record missing in Redis is read from the database and put back; with Redis away the database serves all.
    """
    records = price_cache.cached_records(channel, skus)
    missing = [sku for sku in skus if sku not in records]
    if missing:
        found = served_records(channel=channel, skus=missing)
        price_cache.store_records(channel, found)
        records |= found
    return records
