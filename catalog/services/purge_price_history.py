"""Take old rows out of the ledger so that what stays can still be judged by law and proven by its hashes."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from catalog.models import LedgerPurge, Listing, PriceLawRule
from catalog.price_law import NO_RULE
from catalog.selectors.price_laws import SPARE_DAYS

LISTINGS_PER_TRANSACTION = 5_000

# Of each listing stays what a price in force at the cut-off or later is judged from: everything since one window before
# the last change, up to the cut-off, that was no reduction; and the row in force when that window opened.
OLD_ROWS_SQL = """
SELECT change.id, change.listing_id, change.version, change.row_hash
  FROM unnest(%(listings)s::bigint[]) AS listing(id)
 CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT valid_from FROM catalog_pricechange
             WHERE listing_id = listing.id AND valid_from <= %(cut_off)s
               AND (previous_price IS NULL OR price >= previous_price)
             ORDER BY valid_from DESC, version DESC LIMIT 1), '-infinity') AS steady_since
 ) reduction
 CROSS JOIN LATERAL (
        SELECT version FROM catalog_pricechange
         WHERE listing_id = listing.id
           AND valid_from <= least(reduction.steady_since, %(cut_off)s) - make_interval(days => %(days)s)
         ORDER BY valid_from DESC, version DESC LIMIT 1
 ) kept
  JOIN catalog_pricechange change ON change.listing_id = listing.id AND change.version < kept.version
 ORDER BY change.listing_id, change.version
"""
DELETE_SQL = "DELETE FROM catalog_pricechange WHERE listing_id = ANY(%s) AND id = ANY(%s)"
LOCK_SQL = "LOCK TABLE catalog_ledgerpurge IN SHARE ROW EXCLUSIVE MODE"


class CutOffRefused(ValueError):
    """The cut-off has no time zone, or the law may still ask for what is before it."""


def purge_price_history(
    *, before: datetime, made_by: str, now: datetime, progress: Callable[[int], None] = lambda listings: None
) -> int:
    """Remove what no price in force at ``before`` or later is judged from; return how many rows.

    A transaction for every 5,000 listings, each with its `LedgerPurge`; one that was killed leaves the rest to the next
    call. The first row that stays holds the hash of the last one removed, so its chain goes on. Anchors taken before
    may not hold any more: take a new one.

    Raises:
        CutOffRefused: ``before`` has no time zone, or is younger than the longest window of a country and a day.
    """
    days = _longest_window()
    _check(before, now, days)
    removed = done = after = 0
    keys = Listing.objects.order_by("pk").values_list("pk", flat=True)
    while listings := list(keys.filter(pk__gt=after)[:LISTINGS_PER_TRANSACTION]):
        removed += _purge(listings, before, days, made_by, now)
        after = listings[-1]
        done += len(listings)
        progress(done)
    return removed


def _longest_window() -> int:
    longest: int | None = PriceLawRule.objects.aggregate(longest=Max("window_days"))["longest"]
    return max(longest or 0, NO_RULE.window_days)


def _check(before: datetime, now: datetime, days: int) -> None:
    if before.tzinfo is None:
        raise CutOffRefused("the cut-off needs a time zone, such as 2025-01-01T00:00+00:00")
    latest = now - timedelta(days=days + 1)
    if before > latest:
        raise CutOffRefused(
            f"the law may still ask for prices of the last {days} days: give {latest:%Y-%m-%d} or a day before it"
        )


def _purge(listings: Sequence[int], before: datetime, days: int, made_by: str, now: datetime) -> int:
    arguments: dict[str, Any] = {"listings": listings, "cut_off": before, "days": days + SPARE_DAYS}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_SQL)
        cursor.execute(OLD_ROWS_SQL, arguments)
        rows = cursor.fetchall()
        if not rows:
            return 0
        purge = LedgerPurge.objects.create(
            made_at=now,
            made_by=made_by,
            cut_off=before,
            first_listing=rows[0][1],
            last_listing=rows[-1][1],
            rows=len(rows),
            digest=_digest(rows),
        )
        cursor.execute("SELECT set_config('pricing.ledger_purge', %s, true)", [str(purge.pk)])
        cursor.execute(DELETE_SQL, [sorted({row[1] for row in rows}), [row[0] for row in rows]])
        cursor.execute("SELECT set_config('pricing.ledger_purge', '', true)")
        return len(rows)


def _digest(rows: Sequence[tuple[int, int, int, bytes]]) -> str:
    lines = (f"{listing}:{version}:{bytes(row_hash).hex()}\n" for _, listing, version, row_hash in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
