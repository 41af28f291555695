"""Bring what the storefront is served up to date: mark before the commit, store after it, fill a cold cache."""

import logging
from collections.abc import Callable, Mapping, Sequence

from django.db import connection, transaction
from redis.exceptions import RedisError

from catalog import price_cache
from catalog.lookups import id_array
from catalog.models import Channel
from catalog.selectors.served import served_records_after, served_values

logger = logging.getLogger(__name__)

WARM_BATCH = 5_000
WARM_SECONDS = 3_600  # after it a process that died while it warmed is no longer waited for

# In the order of the keys, as everybody who locks many listings does.
RAISE_REVISIONS_SQL = """
WITH locked AS (SELECT id FROM catalog_listing WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE)
UPDATE catalog_listing listing SET served_revision = nextval('catalog_served_revision')
  FROM locked, catalog_product product
 WHERE listing.id = locked.id AND product.id = listing.product_id
RETURNING product.sku, listing.served_revision
"""
TRANSACTION_SQL = "SELECT pg_current_xact_id()::text"


def serve_anew(*, channel: str, listing_ids: Sequence[int]) -> None:
    """Make what this transaction changed in these listings the next thing that the storefront is served.

    Call it inside the transaction, after the change. From the commit on no process serves what was before: Redis is
    told before the commit that the records are pending, and gets them after it. Where it cannot be reached, the epoch
    rises with the commit.
    """
    if listing_ids:
        serve_revisions(channel=channel, revisions=_raise_revisions(listing_ids))


def serve_revisions(*, channel: str, revisions: Mapping[str, int]) -> None:
    """As `serve_anew`, for SKUs whose revisions this transaction has raised already."""
    if not revisions:
        return
    tell_redis(price_cache.price_names(channel, revisions), store=lambda: _store(channel, list(revisions)))


def tell_redis(names: dict[bytes, int], *, store: Callable[[], bool]) -> None:
    """Mark names as pending until this transaction ends, and call ``store`` after its commit.

    Raises the epoch where Redis does not answer: with this transaction, or after it if only then.
    """
    if not price_cache.mark_pending(names, xid=_transaction_id(), epoch=price_cache.epoch()):
        logger.warning("Redis does not answer: all cached prices will be forgotten when this transaction commits")
        price_cache.raise_epoch()
        return

    def tell_the_end() -> None:
        if not store():
            price_cache.raise_epoch()

    transaction.on_commit(tell_the_end, robust=True)


def _raise_revisions(listing_ids: Sequence[int]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(RAISE_REVISIONS_SQL, [id_array(listing_ids)])
        return dict(cursor.fetchall())


def _transaction_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute(TRANSACTION_SQL)
        return int(cursor.fetchone()[0])


def _store(channel: str, skus: Sequence[str]) -> bool:
    """Store what the database now says about SKUs, those that are not sold among them."""
    for start in range(0, len(skus), WARM_BATCH):
        values = served_values(channel=channel, skus=skus[start : start + WARM_BATCH])
        if not price_cache.store_values(values, epoch=price_cache.epoch()):
            return False
    return True


def warm_served_records(*, channel: str, progress: Callable[[int], None] = lambda written: None) -> int:
    """Write the records of every active listing of a channel; return how many Redis took."""
    after: int | None = 0
    written = 0
    while after is not None:
        epoch = price_cache.epoch()
        values, after = served_records_after(channel=channel, after_pk=after, limit=WARM_BATCH)
        if not price_cache.store_values(values, epoch=epoch):
            break
        written += len(values)
        progress(written)
    return written


def warm_cold_cache() -> int:
    """Write all records of all channels unless that was done since Redis started; return how many it took.

    Records of earlier starts and epochs are deleted first. Safe to call at any time, from any number of processes.
    """
    epoch = price_cache.epoch()
    try:
        if not price_cache.begin_warming(epoch=epoch, seconds=WARM_SECONDS):
            return 0
        price_cache.drop_other_namespaces(epoch=epoch)
    except RedisError:
        return 0
    return sum(warm_served_records(channel=code) for code in Channel.objects.values_list("code", flat=True))


def forget_everything() -> None:
    """Make every process forget what Redis and it hold: after a restore of the database, or changes past the gate."""
    with transaction.atomic():
        price_cache.raise_epoch()
