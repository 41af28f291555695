"""Bring the feature store up to date: append what changed to the history, then write the online records."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.db import connection, transaction
from django.utils import timezone

from catalog.models import Channel, Listing
from catalog.selectors.listings import active_listings
from optimizer.features.definitions import SNAPSHOTS
from optimizer.features.history import feature_records
from optimizer.features.online import store_records
from optimizer.features.sources import Change, SourceRange, changed_facts, source_range

CHUNK = 5_000
LOCK = 0x66656174  # of the two-number advisory locks; the second number is the channel

Clock = Callable[[], datetime]
Progress = Callable[[int, int], None]

APPEND_SQL = """
INSERT INTO optimizer_featuresnapshot (listing_id, feature_group, event_at, known_at, numbers)
SELECT listing_id, %(group)s, event_at, %(known_at)s, numbers::float8[]
  FROM unnest(%(listings)s::bigint[], %(event_ats)s::timestamptz[], %(numbers)s::text[])
       AS change(listing_id, event_at, numbers)
"""


class RefreshUnderWay(RuntimeError):
    """Another process is at it; what it does not see, the next refresh does."""


@dataclass(frozen=True)
class FeatureRefresh:
    """How many listings were gone through, how many snapshots were new, how many records Redis took."""

    listings: int
    snapshots: int
    served: int


def refresh_features(
    *, channel: Channel, clock: Clock = timezone.now, progress: Progress = lambda done, total: None
) -> FeatureRefresh:
    """Go through the active listings of a channel: snapshots of what changed, windows that end now, online records.

    A transaction a chunk. It may be killed and repeated: what did not change is not written again. It takes a clock
    instead of one ``now``: a snapshot is stamped after its source was read, or a training frame would see a fact before
    we knew it.

    Raises:
        RefreshUnderWay: another process is refreshing this channel.
    """
    snapshots = served = 0
    with _alone(channel):
        keys = list(active_listings(channel=channel.code).order_by("pk").values_list("pk", "product__sku"))
        of = source_range(channel=channel)
        for start in range(0, len(keys), CHUNK):
            pks, skus = map(list, zip(*keys[start : start + CHUNK], strict=True))
            snapshots += _append_changes(pks, of, clock)
            served += _serve(channel.code, pks, skus, clock())
            progress(start + len(pks), len(keys))
    return FeatureRefresh(listings=len(keys), snapshots=snapshots, served=served)


@contextlib.contextmanager
def _alone(channel: Channel) -> Iterator[None]:
    """Hold the channel: a slow process would append, as the newest, what it read before a quick one did."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, channel.pk])
        if cursor.fetchone() != (True,):
            raise RefreshUnderWay(f"the features of channel {channel.code!r} are being refreshed: wait for it to end")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, channel.pk])


def _serve(channel: str, listing_ids: list[int], skus: list[str], now: datetime) -> int:
    records = feature_records(listing_ids=listing_ids, moments=[now] * len(listing_ids))
    return len(skus) if store_records(channel=channel, skus=skus, records=records) else 0


def refresh_online_features(*, listing_ids: Sequence[int], now: datetime) -> None:
    """Write the online records of some listings as the history has them now; call it after the commit."""
    rows = (
        Listing.objects.filter(pk__in=listing_ids, product__is_active=True)
        .order_by("channel__code")
        .values_list("channel__code", "product__sku", "pk")
    )
    for channel, group in groupby(rows, key=lambda row: row[0]):
        keys = list(group)
        _serve(channel, [pk for *_, pk in keys], [sku for _, sku, _ in keys], now)


@transaction.atomic
def _append_changes(listing_ids: list[int], of: SourceRange, clock: Clock) -> int:
    return sum(_append(group.name, listing_ids, of, clock) for group in SNAPSHOTS)


def _append(group: str, listing_ids: list[int], of: SourceRange, clock: Clock) -> int:
    changes: list[Change] = changed_facts(group=group, listing_ids=listing_ids, of=of, now=clock())
    if changes:
        listings, event_ats, numbers = map(list, zip(*changes, strict=True))
        columns = {"listings": listings, "event_ats": event_ats, "numbers": numbers}
        with connection.cursor() as cursor:
            cursor.execute(APPEND_SQL, columns | {"group": group, "known_at": clock()})
    return len(changes)
