"""Write what shoppers did into the feature store, each event once."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from optimizer.services.refresh_features import refresh_online_features


@dataclass(frozen=True)
class View:
    """One demand event: somebody looked, at a place where so many wanted it (requests)."""

    event_id: uuid.UUID
    channel: str
    sku: str
    requests: int
    happened_at: datetime


# Rows go in by their id, so that two processes that write the same ones wait for each other and do not deadlock.
VIEWS_SQL = """
INSERT INTO optimizer_activityincrement
       (kind, source_id, listing_id, happened_at, known_at, views, requests, units, revenue)
SELECT 'view', event.id, listing.id, least(event.happened_at, %(now)s), %(now)s, 1, event.requests, 0, 0
  FROM unnest(%(ids)s::uuid[], %(channels)s::text[], %(skus)s::text[], %(requests)s::int[], %(happened)s::timestamptz[])
       WITH ORDINALITY AS event(id, channel, sku, requests, happened_at, number)
  JOIN catalog_channel channel ON channel.code = event.channel
  JOIN catalog_product product ON product.sku = event.sku AND product.is_active
  JOIN catalog_listing listing ON listing.product_id = product.id AND listing.channel_id = channel.id
 ORDER BY event.id, event.number
    ON CONFLICT (kind, source_id) DO NOTHING
RETURNING listing_id
"""
SALES_SQL = """
INSERT INTO optimizer_activityincrement
       (kind, source_id, listing_id, happened_at, known_at, views, requests, units, revenue)
SELECT 'sale', decision.decision_id, context.listing_id, least(decision.outcome_at, %(now)s), %(now)s, 0, 0, 1,
       decision.price
  FROM experiments_pricingdecision decision
  JOIN experiments_banditcontext context ON context.id = decision.context_id
 WHERE decision.decision_id = ANY(%(decisions)s) AND decision.state = 'purchased'
 ORDER BY decision.decision_id
    ON CONFLICT (kind, source_id) DO NOTHING
RETURNING listing_id
"""
BEGIN_RECORDING_SQL = """
INSERT INTO optimizer_activityrecording (channel_id, began_at)
SELECT DISTINCT channel_id, %(now)s::timestamptz FROM catalog_listing WHERE id = ANY(%(listings)s)
    ON CONFLICT (channel_id) DO NOTHING
"""


@transaction.atomic(savepoint=False)
def record_activity(*, views: Sequence[View], purchased: Sequence[uuid.UUID], now: datetime) -> int:
    """Count demand events as views, and purchased decisions as one unit sold at the decided price; return how many.

    An event or decision that was counted before is left out, as are SKUs that the channel does not sell. What claims
    to happen after ``now`` happened now. Call it in the transaction that stores the stream's offsets. After the commit
    the listings' online features are written anew; where that fails or the process is killed, the next batch does it.
    """
    listings = [*_insert_views(views, now), *_insert_sales(purchased, now)]
    touched = sorted(set(listings))
    if touched:
        with connection.cursor() as cursor:
            cursor.execute(BEGIN_RECORDING_SQL, {"listings": touched, "now": now})
        # robust: what is committed stays committed, whatever becomes of its copy in Redis.
        transaction.on_commit(lambda: _refresh(touched), robust=True)
    return len(listings)


def _refresh(listing_ids: list[int]) -> None:
    refresh_online_features(listing_ids=listing_ids, now=timezone.now())


def _insert_views(views: Sequence[View], now: datetime) -> list[int]:
    if not views:
        return []
    columns: dict[str, Any] = {
        "ids": [view.event_id for view in views],
        "channels": [view.channel for view in views],
        "skus": [view.sku for view in views],
        "requests": [view.requests for view in views],
        "happened": [view.happened_at for view in views],
    }
    return _inserted(VIEWS_SQL, columns | {"now": now})


def _insert_sales(purchased: Sequence[uuid.UUID], now: datetime) -> list[int]:
    return _inserted(SALES_SQL, {"decisions": list(purchased), "now": now}) if purchased else []


def _inserted(statement: str, parameters: dict[str, Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [listing for (listing,) in cursor.fetchall()]
