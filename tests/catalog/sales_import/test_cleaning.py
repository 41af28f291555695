from datetime import datetime

import polars as pl
import pytest

from catalog.sales_import.cleaning import clean_transactions
from catalog.sales_import.reading import COLUMNS

MONDAY = datetime(2011, 3, 7, 9, 0)


def transactions(*rows: dict) -> pl.DataFrame:
    sale = {
        "InvoiceNo": "536365",
        "StockCode": "85123A",
        "Description": "HEART HOLDER",
        "Quantity": 2,
        "InvoiceDate": MONDAY,
        "UnitPrice": 2.5,
    }
    return pl.DataFrame([sale | row for row in rows], schema=COLUMNS).with_row_index("row", offset=1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"InvoiceNo": "C536365"}, "cancelled"),
        ({"InvoiceNo": "A536365"}, "cancelled"),
        ({"StockCode": "POST"}, "not_a_product"),
        ({"StockCode": "gift_0001_20"}, "not_a_product"),
        ({"Quantity": -2}, "returned"),
        ({"Quantity": 0}, "zero_quantity"),
        ({"UnitPrice": 0.0}, "no_price"),
        ({"UnitPrice": -1.0}, "no_price"),
        ({"UnitPrice": 25.0}, "price_outlier"),
        ({"UnitPrice": 0.25}, "price_outlier"),
        ({}, "duplicate"),
    ],
)
def test_a_row_is_rejected_for_the_first_rule_that_it_breaks(row, reason):
    clean = clean_transactions(transactions({}, {"InvoiceNo": "536366"}, row))
    assert clean.rejected.select("row", "reason").rows() == [(3, reason)]
    assert (clean.rows_read, clean.rows_kept) == (3, 2)


def test_a_cancelled_postage_row_counts_once_as_cancelled():
    clean = clean_transactions(transactions({}, {"InvoiceNo": "C1", "StockCode": "POST", "Quantity": -1}))
    assert clean.rejected_by_reason == {"cancelled": 1}


def test_weeks_begin_on_monday_and_spellings_of_a_code_are_one_sku():
    sunday, next_monday = datetime(2011, 3, 13, 20, 0), datetime(2011, 3, 14, 8, 0)
    clean = clean_transactions(
        transactions(
            {},
            {"StockCode": "85123a", "InvoiceDate": sunday, "UnitPrice": 3.0, "InvoiceNo": "2"},
            {"InvoiceDate": next_monday, "Quantity": 5},
        )
    )
    assert clean.sales.rows(named=True) == [
        {"sku": "85123A", "week": MONDAY.date(), "units": 4, "revenue": 11.0, "price": 2.75, "orders": 2},
        {"sku": "85123A", "week": next_monday.date(), "units": 5, "revenue": 12.5, "price": 2.5, "orders": 1},
    ]


def test_the_list_price_is_the_most_frequent_recent_price_and_the_name_the_most_frequent_one():
    old = [{"InvoiceDate": datetime(2010, 12, 6), "UnitPrice": 4.0, "InvoiceNo": str(n)} for n in range(9)]
    weeks = [
        {"InvoiceDate": datetime(2011, 3, day), "UnitPrice": price, "InvoiceNo": f"w{day}", "Description": name}
        for day, price, name in [(1, 3.0, "new name"), (8, 3.0, "HEART HOLDER"), (15, 3.5, "new name"), (22, 3.0, "")]
    ]
    product = clean_transactions(transactions(*old, *weeks)).products.row(0, named=True)
    assert product == {"sku": "85123A", "name": "HEART HOLDER", "list_price": 3.0}
