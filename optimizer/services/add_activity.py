"""Add up what a batch of the stream did into the feature store: a row a listing and second, not one an event."""

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from experiments.services.touched import Touched
from optimizer.services.record_activity import BEGIN_RECORDING_SQL, View

SEEN_SQL = "SELECT source_id FROM optimizer_activityincrement WHERE kind = 'view' AND source_id = ANY(%s)"
VIEWS_SQL = """
INSERT INTO optimizer_activityincrement
       (kind, source_id, listing_id, happened_at, known_at, views, requests, units, revenue)
SELECT 'view', gen_random_uuid(), listing.id, least(seen.happened_at, %(now)s), %(now)s, seen.views, seen.requests,
       0, 0
  FROM unnest(%(channels)s::text[], %(skus)s::text[], %(happened)s::timestamptz[], %(views)s::int[],
              %(requests)s::int[])
       AS seen(channel, sku, happened_at, views, requests)
  JOIN catalog_channel channel ON channel.code = seen.channel
  JOIN catalog_product product ON product.sku = seen.sku AND product.is_active
  JOIN catalog_listing listing ON listing.product_id = product.id AND listing.channel_id = channel.id
RETURNING listing_id
"""
SALES_SQL = """
INSERT INTO optimizer_activityincrement
       (kind, source_id, listing_id, happened_at, known_at, views, requests, units, revenue)
SELECT 'sale', gen_random_uuid(), context.listing_id, least(date_trunc('second', decision.outcome_at), %(now)s),
       %(now)s, 0, 0, count(*), sum(decision.price)
  FROM experiments_pricingdecision decision
  JOIN experiments_banditcontext context ON context.id = decision.context_id
 WHERE decision.decision_id = ANY(%(decisions)s)
 GROUP BY context.listing_id, date_trunc('second', decision.outcome_at)
RETURNING listing_id
"""


class PendingRefresh(Touched):
    """Listings whose online features are out of date, to be written anew together, off the path of decisions."""

    def __init__(self) -> None:
        super().__init__()
        self.recording: set[int] = set()
        """Of whose channels we know that recording has begun."""


def add_activity(
    *, views: Sequence[View], purchased: Sequence[uuid.UUID], now: datetime, pending: PendingRefresh
) -> None:
    """Count demand events that were decided now, and decisions whose purchase was learned now.

    Call it in the transaction that decides and learns: there each event and purchase comes once, and nothing here looks
    for it again. Only an event that was counted before it could be decided (`record_activity`) is left out. Times are
    kept to the second; what claims to happen after ``now`` happened now.
    """
    listings = {*_add_views(views, now), *_add_sales(purchased, now)}
    if listings:
        if news := listings - pending.recording:
            with connection.cursor() as cursor:
                cursor.execute(BEGIN_RECORDING_SQL, {"listings": sorted(news), "now": now})
            transaction.on_commit(lambda: pending.recording.update(news))
        # Not before: the features would be written without what this transaction adds, and not again.
        transaction.on_commit(lambda: pending.add(listings))


def _add_views(views: Sequence[View], now: datetime) -> list[int]:
    if not views:
        return []
    counted = {source for (source,) in _rows(SEEN_SQL, [[view.event_id for view in views]])}
    seen: Counter[tuple[str, str, datetime]] = Counter()
    requests: Counter[tuple[str, str, datetime]] = Counter()
    for view in views:
        if view.event_id not in counted:
            key = (view.channel, view.sku, view.happened_at.replace(microsecond=0))
            seen[key] += 1
            requests[key] += view.requests
    if not seen:
        return []
    channels, skus, happened = map(list, zip(*seen, strict=True))
    columns = {"channels": channels, "skus": skus, "happened": happened}
    numbers = {"views": list(seen.values()), "requests": [requests[key] for key in seen], "now": now}
    return [listing for (listing,) in _rows(VIEWS_SQL, columns | numbers)]


def _add_sales(purchased: Sequence[uuid.UUID], now: datetime) -> list[int]:
    if not purchased:
        return []
    return [listing for (listing,) in _rows(SALES_SQL, {"decisions": list(purchased), "now": now})]


def _rows(statement: str, parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
