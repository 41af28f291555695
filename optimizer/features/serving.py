"""Online features of SKUs: from Redis in one round trip, else as the history has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from catalog.selectors.channels import channel_by_code
from catalog.selectors.listings import active_listings
from optimizer.features.history import feature_records
from optimizer.features.online import store_records, stored_records
from optimizer.features.rows import FeatureRows

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class OnlineFeatures:
    """Features by SKU, in the order asked; a SKU that the channel does not sell is a row of NaN without a time."""

    skus: tuple[str, ...]
    rows: FeatureRows

    @property
    def unknown_skus(self) -> list[str]:
        return [sku for sku, at in zip(self.skus, self.rows.at, strict=True) if np.isnan(at)]

    def frame(self) -> pl.DataFrame:
        return self.rows.frame({"sku": self.skus})


def online_features(
    *, channel: str, skus: Sequence[str], now: datetime, features: Sequence[str] | None = None
) -> OnlineFeatures:
    """Return the named features, or all, of each SKU with the moment they are of.

    What Redis lacks is worked out from Postgres as of ``now`` and put back; with Redis away all of it is.

    Raises:
        ValueError: no such feature, or a text where a list belongs.
        UnknownChannel: no such channel.
    """
    if isinstance(skus, str):
        raise ValueError(f"skus: give a list, such as [{skus!r}], not one text")
    records = stored_records(channel=channel, skus=skus)
    lacking = np.flatnonzero(np.isnan(records[:, 0])).tolist()
    if lacking:
        records = _completed(records, channel, [skus[row] for row in lacking], lacking, now)
    return OnlineFeatures(tuple(skus), FeatureRows.of(records, features))


def _completed(
    records: np.ndarray, channel: str, skus: Sequence[str], lacking: Sequence[int], now: datetime
) -> np.ndarray:
    """Return the records with those that Redis lacked, which it gets as well."""
    listings = active_listings(channel=channel_by_code(channel).code).filter(product__sku__in=set(skus))
    pks = dict(listings.values_list("product__sku", "pk"))
    found = feature_records(listing_ids=list(pks.values()), moments=[now] * len(pks))
    store_records(channel=channel, skus=list(pks), records=found)
    row_of = {sku: row for row, sku in enumerate(pks)}
    completed = records.copy()
    for place, sku in zip(lacking, skus, strict=True):
        if sku in row_of:
            completed[place] = found[row_of[sku]]
    return completed
