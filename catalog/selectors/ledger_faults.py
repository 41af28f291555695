"""What is wrong with the price ledger: rows changed, missing, exchanged or cut off, found by their chained hashes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from catalog.models import Channel

LISTINGS_PER_PAGE = 5_000

# The same content as the trigger hashes; it needs the session's time zone to be UTC.
CONTENT_SQL = """convert_to(
    jsonb_strip_nulls(to_jsonb(change) - '{explanation,previous_hash,row_hash}'::text[])::text
    || change.explanation::text, 'UTF8')"""

ROW_FAULTS_SQL = """
WITH change AS (
    SELECT listing_id, version, id, previous_hash, row_hash, valid_from,
           sha256(previous_hash || :content) AS hash_found
      FROM catalog_pricechange change
     WHERE listing_id = ANY(%(listings)s)
       AND (%(since)s::timestamptz IS NULL OR version >= (
            SELECT coalesce(max(version), 0) FROM catalog_pricechange earlier
             WHERE earlier.listing_id = change.listing_id AND earlier.valid_from < %(since)s))
), linked AS (
    SELECT *, EXISTS (
               SELECT 1 FROM catalog_ledgerpurge purge
                WHERE change.listing_id BETWEEN purge.first_listing AND purge.last_listing
                  AND change.valid_from <= purge.cut_off) AS is_purged,
           lag(version) OVER chain AS version_before, lag(row_hash) OVER chain AS hash_before,
           lag(valid_from) OVER chain AS time_before
      FROM change WINDOW chain AS (PARTITION BY listing_id ORDER BY version)
)
SELECT listing_id, version, id, concat_ws('; ',
    CASE WHEN row_hash <> hash_found THEN 'its content is not what was hashed' END,
    CASE WHEN version_before IS NULL AND version > 1 AND %(since)s::timestamptz IS NULL AND NOT is_purged
         THEN format('versions 1 to %%s are missing', version - 1) END,
    CASE WHEN version_before < version - 1
         THEN format('versions %%s to %%s are missing', version_before + 1, version - 1) END,
    CASE WHEN hash_before <> previous_hash THEN 'it does not follow the row before it' END,
    CASE WHEN version = 1 AND previous_hash <> decode(repeat('00', 32), 'hex')
         THEN 'the first row follows another one' END,
    CASE WHEN time_before > valid_from THEN 'it is older than the version before it' END
)
  FROM linked
 WHERE row_hash <> hash_found
    OR (version_before IS NULL AND version > 1 AND %(since)s::timestamptz IS NULL AND NOT is_purged)
    OR version_before < version - 1
    OR hash_before <> previous_hash
    OR (version = 1 AND previous_hash <> decode(repeat('00', 32), 'hex'))
    OR time_before > valid_from
 ORDER BY listing_id, version
""".replace(":content", CONTENT_SQL)

HEAD_FAULTS_SQL = """
SELECT listing.id, listing.price_version, last.id, concat_ws('; ',
    CASE WHEN coalesce(last.version, 0) < listing.price_version
         THEN format('the listing is at version %%s, the ledger ends at %%s',
                     listing.price_version, coalesce(last.version, 0)) END,
    CASE WHEN last.version > listing.price_version
         THEN format('the ledger goes on to version %%s, the listing is at %%s',
                     last.version, listing.price_version) END,
    CASE WHEN last.version = listing.price_version AND last.price IS DISTINCT FROM listing.price
         THEN format('the listing has the price %%s, the ledger %%s', listing.price, last.price) END,
    CASE WHEN last.version = listing.price_version AND last.source IS DISTINCT FROM listing.price_source
         THEN format('the listing has the source %%s, the ledger %%s', listing.price_source, last.source) END,
    CASE WHEN last.version = listing.price_version AND last.valid_from IS DISTINCT FROM listing.price_since
         THEN format('the listing has its price since %%s, the ledger since %%s',
                     listing.price_since, last.valid_from) END
)
  FROM catalog_listing listing
  LEFT JOIN LATERAL (
        SELECT id, version, price, source, valid_from FROM catalog_pricechange
         WHERE listing_id = listing.id ORDER BY version DESC LIMIT 1
  ) last ON true
 WHERE listing.id = ANY(%(listings)s)
   AND ((last.version IS NULL AND listing.price_version > 0)
        OR (last.version IS NOT NULL
            AND (last.version, last.price, last.source, last.valid_from) IS DISTINCT FROM
                (listing.price_version, listing.price, listing.price_source::text, listing.price_since)))
 ORDER BY listing.id
"""

PAGE_SQL = """
SELECT id FROM catalog_listing
 WHERE id > %(after)s AND (%(channel)s::bigint IS NULL OR channel_id = %(channel)s)
   AND (%(since)s::timestamptz IS NULL OR price_since >= %(since)s)
 ORDER BY id LIMIT %(limit)s
"""
SKUS_SQL = """
SELECT listing.id, product.sku, channel.code FROM catalog_listing listing
  JOIN catalog_product product ON product.id = listing.product_id
  JOIN catalog_channel channel ON channel.id = listing.channel_id
 WHERE listing.id = ANY(%(listings)s)
"""


@dataclass(frozen=True)
class LedgerFault:
    """What is wrong with one row, or, where ``row_id`` is None, with a listing that has no row."""

    sku: str
    channel: str
    version: int
    row_id: int | None
    problem: str


def ledger_faults(
    *,
    channel: Channel | None = None,
    since: datetime | None = None,
    progress: Callable[[int], None] = lambda listings: None,
) -> Iterator[LedgerFault]:
    """Compute every chain anew and compare its last row with the listing; yield what is wrong, listing by listing.

    ``since``: only listings whose price changed at or after it, and of their rows those from then on. ``progress`` is
    told the number of listings done. Each page of listings is read from one snapshot, so that prices may go on being
    published meanwhile.
    """
    after = done = 0
    while listings := _page(after, channel, since):
        yield from _faults_of(listings, since)
        after = listings[-1]
        done += len(listings)
        progress(done)


def _page(after: int, channel: Channel | None, since: datetime | None) -> list[int]:
    arguments: dict[str, Any] = {
        "after": after,
        "channel": channel and channel.pk,
        "since": since,
        "limit": LISTINGS_PER_PAGE,
    }
    with connection.cursor() as cursor:
        cursor.execute(PAGE_SQL, arguments)
        return [pk for (pk,) in cursor.fetchall()]


def _faults_of(listings: list[int], since: datetime | None) -> list[LedgerFault]:
    arguments: dict[str, Any] = {"listings": listings, "since": since}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL timezone = 'UTC'")
        cursor.execute(ROW_FAULTS_SQL, arguments)
        found = cursor.fetchall()
        cursor.execute(HEAD_FAULTS_SQL, arguments)
        found = sorted(found + cursor.fetchall(), key=lambda fault: fault[:2])
        cursor.execute(SKUS_SQL, {"listings": [listing for listing, *_ in found]})
        names = {listing: (sku, code) for listing, sku, code in cursor.fetchall()}
    return [LedgerFault(*names[listing], *rest) for listing, *rest in found]
