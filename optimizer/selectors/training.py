"""Features as they were known at past moments, for training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from catalog.models import Listing
from optimizer.features.history import feature_records
from optimizer.features.rows import FeatureRows

if TYPE_CHECKING:
    import polars as pl


def training_frame(
    *, listing_ids: Sequence[int], moments: Sequence[datetime], now: datetime, features: Sequence[str] | None = None
) -> pl.DataFrame:
    """Return a polars table with one row a pair of listing and moment: what a model would have been served then.

    Only what we had learned by the moment counts, late events included only from when they arrived; so the same call
    returns the same frame whenever it is made, once what was being written at the moment is committed.

    Columns: ``listing_id``, ``at``, the features (float64, NaN where not known), ``<group>_at`` (null where not known).

    Raises:
        ValueError: the sequences differ in length; a moment has no time zone or lies in the future; a listing or
            feature does not exist.
    """
    _refuse_unusable(listing_ids, moments, now)
    records = feature_records(listing_ids=listing_ids, moments=moments)
    return FeatureRows.of(records, features).frame({"listing_id": listing_ids})


def _refuse_unusable(listing_ids: Sequence[int], moments: Sequence[datetime], now: datetime) -> None:
    if len(listing_ids) != len(moments):
        raise ValueError(f"moments: give one a listing; there are {len(listing_ids)} listings, {len(moments)} moments")
    if any(moment.tzinfo is None for moment in moments):
        raise ValueError("moments: give each a time zone, such as datetime(2026, 11, 1, tzinfo=UTC)")
    if moments and max(moments) > now:
        raise ValueError(f"moments: {max(moments).isoformat()} lies in the future; nobody knows its features yet")
    wanted = set(listing_ids)
    known = set(Listing.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    if unknown := sorted(wanted - known):
        raise ValueError(f"listing_ids: no such listing: {', '.join(map(str, unknown[:5]))}")
