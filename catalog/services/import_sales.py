"""Write a cleaned transaction file: products, listings, list prices, weekly and daily sales, all or nothing."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from django.db import DataError, IntegrityError, connection, transaction

from catalog.models import Channel, SalesImport
from catalog.sales_import.cleaning import RULES_VERSION, CleanSales, clean_transactions
from catalog.sales_import.reading import SalesFileError, file_sha256, read_transactions
from catalog.services.list_prices import publish_list_prices

Progress = Callable[[str], None]

STAGE_SQL = """
DROP TABLE IF EXISTS pg_temp.staged_product, pg_temp.staged_sales, pg_temp.staged_day;
CREATE TEMP TABLE staged_product (sku text, name text, list_price numeric) ON COMMIT DROP;
CREATE TEMP TABLE staged_sales (sku text, week date, units int, revenue numeric, price numeric, orders int)
    ON COMMIT DROP;
CREATE TEMP TABLE staged_day (sku text, day date, units int, revenue numeric) ON COMMIT DROP;
"""
# The gate locks listings by their key: whoever locks many does it in that order, or two of them deadlock.
MERGE_SQL = """
SELECT id FROM catalog_listing WHERE channel_id = %(channel)s ORDER BY id FOR UPDATE;
INSERT INTO catalog_product (sku, name, is_active) SELECT sku, left(name, 300), true FROM staged_product
    ON CONFLICT (sku) DO UPDATE SET name = excluded.name WHERE catalog_product.name <> excluded.name;
INSERT INTO catalog_listing
       (product_id, channel_id, list_price, unit_cost_assumed, inventory_assumed, price_version, price_source)
SELECT product.id, %(channel)s, staged.list_price, false, false, 0, ''
  FROM staged_product staged JOIN catalog_product product USING (sku) ORDER BY product.id
    ON CONFLICT (product_id, channel_id) DO UPDATE SET list_price = excluded.list_price
 WHERE catalog_listing.list_price <> excluded.list_price;
INSERT INTO catalog_weeklysales (listing_id, week, units, revenue, price, orders)
SELECT listing.id, staged.week, staged.units, staged.revenue, staged.price, staged.orders
  FROM staged_sales staged
  JOIN catalog_product product USING (sku)
  JOIN catalog_listing listing ON listing.product_id = product.id AND listing.channel_id = %(channel)s
    ON CONFLICT (listing_id, week) DO UPDATE
   SET units = excluded.units, revenue = excluded.revenue, price = excluded.price, orders = excluded.orders;
DELETE FROM catalog_dailysales sold
 USING staged_sales staged
  JOIN catalog_product product USING (sku)
  JOIN catalog_listing listing ON listing.product_id = product.id AND listing.channel_id = %(channel)s
 WHERE sold.listing_id = listing.id AND sold.day >= staged.week AND sold.day < staged.week + 7;
INSERT INTO catalog_dailysales (listing_id, day, units, revenue)
SELECT listing.id, staged.day, staged.units, staged.revenue
  FROM staged_day staged
  JOIN catalog_product product USING (sku)
  JOIN catalog_listing listing ON listing.product_id = product.id AND listing.channel_id = %(channel)s;
"""


@dataclass(frozen=True)
class ImportOutcome:
    """The import's row, whether this call wrote it, and where the rejected rows lie."""

    sales_import: SalesImport
    is_new: bool
    rejects_path: Path | None


def import_sales(
    *, path: Path, channel: Channel, rejects_path: Path, now: datetime, progress: Progress = lambda stage: None
) -> ImportOutcome:
    """Import a transaction file into a channel, once: the same file under the same rules is not read again.

    One transaction: after a crash nothing of the file is there. A week that the file holds replaces that week's sales
    of the SKU and their days, so a file must hold whole weeks. List prices that changed are published through the gate.

    Raises:
        SalesFileError: the file cannot be used; nothing was written.
    """
    progress("reading")
    transactions = read_transactions(path)
    known = {"channel": channel, "sha256": file_sha256(path), "rules_version": RULES_VERSION}
    if done := SalesImport.objects.filter(**known).first():
        return ImportOutcome(done, is_new=False, rejects_path=None)
    progress("cleaning")
    clean = clean_transactions(transactions, channel.currency_exponent)
    rejects_path.parent.mkdir(parents=True, exist_ok=True)
    clean.rejected.write_csv(rejects_path)
    with refusing_impossible_values(path), transaction.atomic():
        progress("writing products and sales")
        _merge(clean, channel)
        _update_statistics()
        progress("publishing list prices")
        publish_list_prices(channel=channel, now=now)
        done = SalesImport.objects.create(
            **known,
            file_name=path.name,
            rows_read=clean.rows_read,
            rows_kept=clean.rows_kept,
            rejected=clean.rejected_by_reason,
            products=clean.products.height,
            weeks=clean.sales["week"].n_unique(),
            imported_at=now,
        )
    return ImportOutcome(done, is_new=True, rejects_path=rejects_path)


@contextlib.contextmanager
def refusing_impossible_values(path: Path) -> Iterator[None]:
    """Say in one line that the database takes no such value: a quantity or an amount beyond all reason."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        why = str(error).splitlines()[0]
        raise SalesFileError(f"{path}: a value cannot be stored ({why}); correct it; nothing was imported") from error


def _merge(clean: CleanSales, channel: Channel) -> None:
    with connection.cursor() as cursor:
        cursor.execute(STAGE_SQL)
        _copy(cursor, "staged_product (sku, name, list_price)", clean.products.select("sku", "name", "list_price"))
        _copy(
            cursor,
            "staged_sales (sku, week, units, revenue, price, orders)",
            clean.sales.select("sku", "week", "units", "revenue", "price", "orders"),
        )
        _copy(cursor, "staged_day (sku, day, units, revenue)", clean.days.select("sku", "day", "units", "revenue"))
        for statement in MERGE_SQL.split(";\n"):
            if statement.strip():
                cursor.execute(statement, {"channel": channel.pk})


def _update_statistics() -> None:
    """Let the planner, and the admin's estimated counts, know what came in."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_product, catalog_listing, catalog_weeklysales, catalog_dailysales")


def _copy(cursor: object, target: str, frame: pl.DataFrame) -> None:
    with cursor.copy(f"COPY {target} FROM STDIN (FORMAT csv)") as copy:  # type: ignore[attr-defined]
        copy.write(frame.write_csv(include_header=False).encode())
