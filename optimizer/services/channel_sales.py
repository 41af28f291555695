"""A channel's weekly sales as the engine reads them. Only workers and commands load this file."""

import hashlib
import io
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from catalog.guardrails import Ints
from catalog.models import Channel
from catalog.reading import copied_csv
from catalog.selectors.holidays import weeks_with_holidays
from optimizer.engine import DemandPanel
from optimizer.engine.pricing_arrays import Floats
from optimizer.selectors.rival_weeks import rival_weeks

SALES_SQL = """
    SELECT sales.listing_id, sales.week, sales.units, sales.price, product.category_id,
           coalesce(conditions.promotion, 0) AS promotion, coalesce(conditions.stocked_out, false) AS stocked_out
      FROM catalog_weeklysales sales JOIN catalog_listing listing ON listing.id = sales.listing_id
      JOIN catalog_product product ON product.id = listing.product_id
      LEFT JOIN catalog_weekconditions conditions
             ON conditions.listing_id = sales.listing_id AND conditions.week = sales.week
     WHERE listing.channel_id = {channel} ORDER BY sales.listing_id, sales.week
"""


COLUMN_TYPES: Final = {
    "listing_id": pl.Int64,
    "week": pl.Date,
    "units": pl.Int64,
    "price": pl.Float64,
    "category_id": pl.Int64,
    "promotion": pl.Float64,
    "stocked_out": pl.String,
}


class NothingToLearnFrom(ValueError):
    """The channel has no sales; the message names the cure."""


@dataclass(frozen=True)
class ChannelSales:
    """Hold weekly sales: SKU i of the panel is listing ``listing_ids[i]``, week 0 is the Monday ``first``.

    Args:
        panel: the sales.
        listing_ids: of each SKU.
        category: (sku,) a number from 0 for each category; products without one share one.
        first, last: Mondays of the first and the last week with sales.
        digest: SHA-256 of the sales, for a fingerprint.
    """

    panel: DemandPanel
    listing_ids: list[int]
    category: Ints
    first: date
    last: date
    digest: str

    @property
    def last_week(self) -> int:
        return int(self.panel.week.max())

    def share_of_weeks_with_sales(self) -> np.ndarray:
        """Return, by SKU, in which share of the weeks since its first sale it sold at all."""
        weeks = np.bincount(self.panel.sku, minlength=self.panel.n_skus)
        first = np.full(self.panel.n_skus, self.last_week)
        np.minimum.at(first, self.panel.sku, self.panel.week)
        return np.asarray(weeks / (self.last_week - first + 1))


def channel_sales(*, channel: Channel) -> ChannelSales:
    """Read a channel's weekly sales, and what else moved them.

    That is promotions, weeks that sold out, public holidays, and the median of what competitors asked.

    Raises:
        NothingToLearnFrom: it has none.
    """
    text = copied_csv(SALES_SQL, channel=channel.pk)
    sales = pl.read_csv(io.BytesIO(text), schema_overrides=COLUMN_TYPES)
    if sales.is_empty():
        raise NothingToLearnFrom(f"channel {channel.code!r} has no sales: run `manage.py import_sales` first")
    listing_ids, sku = np.unique(sales["listing_id"].to_numpy(), return_inverse=True)
    first, last = _as_date(sales["week"].min()), _as_date(sales["week"].max())
    of_row = sales["category_id"].cast(pl.Int64).fill_null(-1).to_numpy()
    of_sku = np.empty(len(listing_ids), dtype=np.int64)
    of_sku[sku] = of_row
    rivals = rival_weeks(channel=channel)
    week = ((sales["week"] - first).dt.total_days().to_numpy() // 7).astype(np.int64)
    holiday = weeks_with_holidays(country=channel.country, first=first, weeks=int(week.max()) + 1)
    panel = DemandPanel(
        sku=sku.astype(np.int64),
        week=week,
        log_price=np.log(sales["price"].to_numpy().astype(np.float64)),
        log_units=np.log(sales["units"].to_numpy().astype(np.float64)),
        n_skus=len(listing_ids),
        promotion=sales["promotion"].to_numpy(),
        holiday=np.array(holiday, dtype=np.float64)[week],
        stocked_out=(sales["stocked_out"] == "t").to_numpy(),
        competitor_log_price=_competitor_log_price(sales, rivals),
    )
    category = np.unique(of_sku, return_inverse=True)[1]
    digest = hashlib.sha256(text + rivals.write_csv().encode() + bytes(holiday)).hexdigest()
    return ChannelSales(panel, listing_ids.tolist(), category, first, last, digest)


def _competitor_log_price(sales: pl.DataFrame, rivals: pl.DataFrame) -> Floats | None:
    """Return ln of what competitors asked in each row's week, NaN where nothing is known; None without any offer."""
    if rivals.is_empty():
        return None
    found = sales.select("listing_id", "week").join(
        rivals, on=["listing_id", "week"], how="left", maintain_order="left"
    )
    return np.asarray(np.log(found["theirs"].fill_null(np.nan).to_numpy()))


def _as_date(value: object) -> date:
    assert isinstance(value, date)
    return value
