"""Fill Redis with served records."""

from collections.abc import Sequence

from catalog.models import Listing
from catalog.price_cache import forget_records, store_records
from catalog.selectors.served import served_records, served_records_after

WARM_BATCH = 5_000


def refresh_served_records(*, channel: str, listing_ids: Sequence[int]) -> None:
    """Write the records of some listings as the database now has them; call it after the commit."""
    for start in range(0, len(listing_ids), WARM_BATCH):
        part = listing_ids[start : start + WARM_BATCH]
        skus = list(Listing.objects.filter(pk__in=part).values_list("product__sku", flat=True))
        records = served_records(channel=channel, skus=skus)
        store_records(channel, records)
        forget_records(channel, [sku for sku in skus if sku not in records])


def warm_served_records(*, channel: str) -> int:
    """Write the records of every active listing of a channel; return how many Redis took."""
    after: int | None = 0
    written = 0
    while after is not None:
        records, after = served_records_after(channel=channel, after_pk=after, limit=WARM_BATCH)
        if not store_records(channel, records):
            break
        written += len(records)
    return written
