"""Which transactions count as sales, and what they come to per SKU and week, and per SKU and day.

Rules, in this order; a row is rejected for the first that it breaks:

1. ``cancelled``: the invoice number begins with C (a cancellation) or A (an adjustment of bad debt).
2. ``not_a_product``: the stock code is not five digits with at most two letters (POST, DOT, M, vouchers …).
3. ``returned``: the quantity is negative, ``zero_quantity``: it is zero.
4. ``no_price``: the unit price is zero or negative.
5. ``duplicate``: the same line of the same invoice was kept before.
6. ``price_outlier``: the unit price is more than five times, or less than a fifth of, the SKU's median.

Sales are gross of returns: a return says nothing about the demand at the price of the day of sale.
"""

from dataclasses import dataclass

import polars as pl

from catalog.sales_import.reading import COLUMNS, ROW

RULES_VERSION = 2  # 2: days are kept beside weeks, so that files read before may be read again for them
PRODUCT_CODE = r"^\d{5}[A-Z]{0,2}$"
OUTLIER_FACTOR = 5.0
LIST_PRICE_WEEKS = 4
REASON = "reason"


@dataclass(frozen=True)
class CleanSales:
    """What a file comes to.

    Args:
        sales: one row a SKU and week: sku, week (Monday), units, revenue, price (median), orders.
        days: one row a SKU and day with sales: sku, day, units, revenue.
        products: one row a SKU: sku, name, list_price (most frequent price of its last four weeks with sales).
        rejected: the rejected rows as read, with ``row`` and ``reason``.
        rows_read, rows_kept: counts of transactions.
    """

    sales: pl.DataFrame
    days: pl.DataFrame
    products: pl.DataFrame
    rejected: pl.DataFrame
    rows_read: int
    rows_kept: int

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        counts = self.rejected.group_by(REASON).len().sort("len", descending=True)
        return dict(counts.iter_rows())


def clean_transactions(transactions: pl.DataFrame, price_decimals: int = 2) -> CleanSales:
    """Apply the rules and add up what is left; list prices are rounded to the currency's decimals."""
    judged = _judge(transactions)
    kept = judged.filter(pl.col(REASON).is_null())
    return CleanSales(
        sales=_weekly_sales(kept),
        days=_daily_sales(kept),
        products=_products(kept, price_decimals),
        rejected=judged.filter(pl.col(REASON).is_not_null()).select(ROW, REASON, *COLUMNS),
        rows_read=transactions.height,
        rows_kept=kept.height,
    )


def _judge(transactions: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with ``sku`` and ``reason``, which is null where the row counts."""
    single_row = (
        pl.when(pl.col("InvoiceNo").str.contains("^[CcAa]"))
        .then(pl.lit("cancelled"))
        .when(~pl.col("sku").str.contains(PRODUCT_CODE))
        .then(pl.lit("not_a_product"))
        .when(pl.col("Quantity") < 0)
        .then(pl.lit("returned"))
        .when(pl.col("Quantity") == 0)
        .then(pl.lit("zero_quantity"))
        .when(pl.col("UnitPrice") <= 0)
        .then(pl.lit("no_price"))
    )
    rows = transactions.with_columns(sku=pl.col("StockCode").str.to_uppercase()).with_columns(single_row.alias(REASON))
    rows = _reject(rows, "duplicate", ~pl.struct(*COLUMNS).is_first_distinct())
    ratio = pl.col("UnitPrice") / pl.col("UnitPrice").median().over("sku", REASON)
    return _reject(rows, "price_outlier", (ratio > OUTLIER_FACTOR) | (ratio < 1 / OUTLIER_FACTOR))


def _reject(rows: pl.DataFrame, reason: str, breaks: pl.Expr) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(pl.col(REASON).is_null() & breaks).then(pl.lit(reason)).otherwise(pl.col(REASON)).alias(REASON)
    )


def _weekly_sales(kept: pl.DataFrame) -> pl.DataFrame:
    return (
        kept.with_columns(week=pl.col("InvoiceDate").dt.truncate("1w").dt.date())
        .group_by("sku", "week")
        .agg(
            units=pl.col("Quantity").sum(),
            revenue=(pl.col("Quantity") * pl.col("UnitPrice")).sum().round(4),
            price=pl.col("UnitPrice").median().round(4),
            orders=pl.col("InvoiceNo").n_unique(),
        )
        .sort("sku", "week")
    )


def _daily_sales(kept: pl.DataFrame) -> pl.DataFrame:
    return (
        kept.group_by("sku", day=pl.col("InvoiceDate").dt.date())
        .agg(units=pl.col("Quantity").sum(), revenue=(pl.col("Quantity") * pl.col("UnitPrice")).sum().round(4))
        .sort("sku", "day")
    )


def _products(kept: pl.DataFrame, price_decimals: int) -> pl.DataFrame:
    """Return each SKU's most frequent name and its list price; ties go to the first in sorted order."""
    names = (
        kept.filter(pl.col("Description").fill_null("") != "")
        .group_by("sku", "Description")
        .len()
        .sort("sku", "len", "Description", descending=[False, True, False])
        .group_by("sku", maintain_order=True)
        .agg(name=pl.col("Description").first())
    )
    week = pl.col("InvoiceDate").dt.truncate("1w")
    recent = kept.filter(week.rank("dense", descending=True).over("sku") <= LIST_PRICE_WEEKS)
    prices = (
        recent.group_by("sku", "UnitPrice")
        .len()
        .sort("sku", "len", "UnitPrice", descending=[False, True, False])
        .group_by("sku", maintain_order=True)
        .agg(list_price=pl.col("UnitPrice").first().round(price_decimals))
    )
    least = 10.0**-price_decimals
    return prices.join(names, on="sku", how="left").select(
        "sku",
        pl.col("name").fill_null(pl.col("sku")),
        pl.max_horizontal("list_price", least).alias("list_price"),
    )
