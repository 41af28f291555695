"""Estimate how price sensitive a shop's customer segments are. Only commands load this file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from catalog.guardrails import Ints
from catalog.models import Channel, Product
from catalog.sales_import.cleaning import clean_transactions
from catalog.sales_import.reading import SalesFileError, read_labels, read_transactions
from optimizer.engine import DemandPanel
from optimizer.engine.hierarchy import WeeklyDemandFit, fit_weekly_demand

LEAST_WEEKS: Final = 500
"""Weeks of SKUs that a segment needs to be told from the rest."""

OTHERS: Final = "all others"
NO_LABEL: Final = "not said"


@dataclass(frozen=True)
class Segment:
    """Hold a segment's own-price elasticity and its sd, and what it rests on: SKUs, and their weeks with sales."""

    name: str
    elasticity: float
    sd: float
    skus: int
    weeks: int


@dataclass(frozen=True)
class SegmentReport:
    """Hold the segments, the least price sensitive first.

    ``products`` is a table of segment, sku, elasticity, sd and whether its own sales say something.
    """

    segments: list[Segment]
    products: pl.DataFrame


def estimate_segments(*, channel: Channel, path: Path, column: str) -> SegmentReport:
    """Fit the weekly sales of a transaction file with a level for each value of a column.

    A product in a segment is shrunk to its category in that segment, this to the segment, that to the shop. Segments
    of fewer than 500 SKU-weeks are taken together. Nothing is stored: prices do not differ by customer.

    Raises:
        SalesFileError: the file cannot be read, has no such column, or not two segments to compare.
    """
    transactions = read_transactions(path)
    sales = _weekly_sales(
        transactions.with_columns(read_labels(path, column).fill_null(NO_LABEL).alias("segment")), channel
    )
    names = sales["segment"].unique().sort().to_list()
    if len(names) < 2:
        raise SalesFileError(
            f"{path}: column {column!r} has fewer than two values with {LEAST_WEEKS} weeks of SKUs each: "
            "give one that says who bought"
        )
    keys = sales.select("segment", "sku").unique().sort("segment", "sku").with_row_index("series")
    categories = dict(Product.objects.filter(sku__in=keys["sku"].to_list()).values_list("sku", "category_id"))
    segment = keys["segment"].replace_strict(names, list(range(len(names))), return_dtype=pl.Int64).to_numpy()
    category = np.array([categories.get(sku) or -1 for sku in keys["sku"]])
    parents = _parents(segment, category)
    fit = fit_weekly_demand(
        _panel(sales.join(keys, on=["segment", "sku"]), len(keys)),
        parents=parents,
    )
    return SegmentReport(_segments(names, fit, segment), _products(keys, fit))


def _parents(segment: Ints, category: Ints) -> tuple[Ints, ...]:
    """Return the category in its segment of each series, then its segment; without categories only the latter."""
    if len(np.unique(category)) == 1:
        return (segment,)
    within, place = np.unique(np.column_stack([segment, category]), axis=0, return_inverse=True)
    return place.reshape(-1), within[:, 0].copy()


def _weekly_sales(transactions: pl.DataFrame, channel: Channel) -> pl.DataFrame:
    """Return weekly sales by segment, cleaned within each; small segments are one."""
    weekly = _cleaned(transactions, channel)
    sizes = weekly.group_by("segment").len()
    small = sizes.filter(pl.col("len") < LEAST_WEEKS)["segment"].to_list()
    if len(small) < 2:
        return weekly
    label = pl.when(pl.col("segment").is_in(small)).then(pl.lit(OTHERS)).otherwise(pl.col("segment"))
    merged = _cleaned(transactions.with_columns(label.alias("segment")), channel)
    enough = merged.group_by("segment").len().filter(pl.col("len") >= LEAST_WEEKS)
    return merged.join(enough.select("segment"), on="segment")


def _cleaned(transactions: pl.DataFrame, channel: Channel) -> pl.DataFrame:
    parts = transactions.partition_by("segment", as_dict=True, include_key=False)
    return pl.concat(
        clean_transactions(part, channel.currency_exponent).sales.with_columns(segment=pl.lit(str(label)))
        for (label,), part in parts.items()
    )


def _panel(sales: pl.DataFrame, series: int) -> DemandPanel:
    week = (sales["week"] - sales["week"].min()).dt.total_days() // 7
    return DemandPanel(
        sku=sales["series"].to_numpy().astype(np.int64),
        week=week.to_numpy().astype(np.int64),
        log_price=np.log(sales["price"].to_numpy()),
        log_units=np.log(sales["units"].to_numpy().astype(np.float64)),
        n_skus=series,
    )


def _segments(names: list[str], fit: WeeklyDemandFit, segment: Ints) -> list[Segment]:
    of_segment = fit.fit.groups[-1]
    found = [
        Segment(
            name=name,
            elasticity=float(of_segment.mean[row, 1]),
            sd=float(of_segment.sd[row, 1]),
            skus=int((segment == row).sum()),
            weeks=int(fit.weeks[segment == row].sum()),
        )
        for row, name in enumerate(names)
    ]
    return sorted(found, key=lambda each: -each.elasticity)


def _products(keys: pl.DataFrame, fit: WeeklyDemandFit) -> pl.DataFrame:
    return keys.select("segment", "sku").with_columns(
        elasticity=pl.Series(fit.elasticity_mean), sd=pl.Series(fit.elasticity_sd), informed=pl.Series(fit.informed)
    )
