"""Keep what competitors asked: every offer in the history, the newest of each competitor as its price."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection, transaction

from catalog.models import CompetitorOffer, CompetitorPrice

CHUNK = 20_000  # rows of one statement
GIVEN_SQL = "unnest(%s::bigint[], %s::text[], %s::numeric[], %s::timestamptz[]) given(listing, competitor, price, seen)"
# In the order of the keys, as every writer of many rows: two imports at once wait instead of deadlocking. Collated as
# Python compares texts, since chunks are sorted there.
STORE_SQL = f"""
INSERT INTO catalog_competitoroffer (listing_id, competitor, price, observed_at)
SELECT listing, competitor, price, seen FROM {GIVEN_SQL} ORDER BY listing, competitor COLLATE "C", seen
    ON CONFLICT (listing_id, competitor, observed_at) DO NOTHING
RETURNING listing_id, competitor, price, observed_at
"""  # noqa: S608 (a constant of ours)
OTHERS_SQL = f"""
SELECT stored.listing_id, stored.competitor, stored.observed_at, stored.price
  FROM {GIVEN_SQL} JOIN catalog_competitoroffer stored
    ON stored.listing_id = given.listing AND stored.competitor = given.competitor AND stored.observed_at = given.seen
 WHERE stored.price <> given.price
"""  # noqa: S608
# Only what is new and newer than all of history: a price that a person deleted stays so, whatever is added before it.
NEWEST_SQL = f"""
INSERT INTO catalog_competitorprice (listing_id, competitor, price, observed_at, assumed)
SELECT listing, competitor, price, seen, false
  FROM {GIVEN_SQL}
 WHERE seen = (
       SELECT max(observed_at) FROM catalog_competitoroffer stored
        WHERE stored.listing_id = given.listing AND stored.competitor = given.competitor
  )
 ORDER BY listing, competitor COLLATE "C"
    ON CONFLICT (listing_id, competitor) DO UPDATE
   SET price = excluded.price, observed_at = excluded.observed_at, assumed = false
 WHERE catalog_competitorprice.observed_at < excluded.observed_at
"""  # noqa: S608


class SeenOffer(NamedTuple):
    """What a competitor asked for a listing at a moment."""

    listing_id: int
    competitor: str
    price: Decimal
    observed_at: datetime

    @property
    def key(self) -> tuple[int, str, datetime]:
        return self.listing_id, self.competitor, self.observed_at


class RecordedOffers(NamedTuple):
    """What became of offers, by their key: those that are new, and those whose moment has another price already."""

    new: set[tuple[int, str, datetime]]
    other_price: dict[tuple[int, str, datetime], Decimal]


@transaction.atomic
def record_offers(*, offers: Sequence[SeenOffer]) -> RecordedOffers:
    """Add offers to the history, each once, and move each competitor's price to its newest offer.

    One transaction; the same offers again change nothing. A price never goes back to an older offer, and of a moment
    that has another price already the first stays.
    """
    recorded = RecordedOffers(set(), {})
    new: list[SeenOffer] = []
    with connection.cursor() as cursor:
        for columns in _columns_of_chunks(offers):
            cursor.execute(STORE_SQL, columns)
            new += map(SeenOffer._make, cursor.fetchall())
            cursor.execute(OTHERS_SQL, columns)
            recorded.other_price.update({tuple(key): price for *key, price in cursor.fetchall()})
        newest = {(offer.listing_id, offer.competitor): offer for offer in sorted(new, key=lambda offer: offer.key)}
        # After all offers: no price is locked while another import is awaited.
        for columns in _columns_of_chunks(list(newest.values())):
            cursor.execute(NEWEST_SQL, columns)
    recorded.new.update(offer.key for offer in new)
    return recorded


def _columns_of_chunks(offers: Sequence[SeenOffer]) -> Iterator[list[list[object]]]:
    ordered = sorted(offers, key=lambda offer: offer.key)
    for start in range(0, len(ordered), CHUNK):
        yield list(map(list, zip(*ordered[start : start + CHUNK], strict=True)))


@transaction.atomic
def store_offer(*, offer: CompetitorPrice, now: datetime) -> None:
    """Store the offer that a person saw now, and keep it in the history."""
    offer.observed_at, offer.assumed = now, False
    offer.save()
    CompetitorOffer.objects.create(
        listing=offer.listing, competitor=offer.competitor, price=offer.price, observed_at=now
    )
