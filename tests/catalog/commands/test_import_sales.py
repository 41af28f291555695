import random
from pathlib import Path

import polars as pl
import pytest
from django.core.management import CommandError, call_command

from catalog.models import DailySales, Listing, PriceChange, Product, SalesImport, WeeklySales
from tests.factories import make_channel

pytestmark = pytest.mark.django_db

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
ROW = "536365,85123A,HEART HOLDER,6,2010-12-01T08:26:00,2.55,17850,United Kingdom\n"
OTHER = "536366,22423,CAKE STAND,2,2010-12-08T08:26:00,12.75,,France\n"


@pytest.fixture(autouse=True)
def channel():
    return make_channel()


def written(tmp_path: Path, content: str | bytes, name: str = "sales.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path) -> str:
    """Return the one line with which the command refuses a file; assert that nothing was written."""
    with pytest.raises(CommandError) as error:
        call_command("import_sales", str(path))
    assert error.value.returncode == 2
    assert not Product.objects.exists() and not SalesImport.objects.exists() and not PriceChange.objects.exists()
    line = str(error.value)
    assert "\n" not in line and "nothing was imported" in line
    return line


def test_a_file_becomes_products_sales_and_list_prices(tmp_path):
    path = written(tmp_path, HEADER + ROW + OTHER + "C536367" + ROW[6:])
    call_command("import_sales", str(path))
    listing = Listing.objects.select_related("product").get(product__sku="85123A")
    assert (str(listing.price), listing.price_source, listing.product.name) == ("2.5500", "list_price", "HEART HOLDER")
    assert list(WeeklySales.objects.order_by("week").values_list("units", flat=True)) == [6, 2]
    done = SalesImport.objects.get()
    assert (done.rows_read, done.rows_kept, done.rejected) == (3, 2, {"cancelled": 1})
    rejects = pl.read_csv(tmp_path / "sales.csv.rejected.csv")
    assert rejects.select("row", "reason").rows() == [(3, "cancelled")]


def test_the_same_file_again_changes_nothing(tmp_path):
    path = written(tmp_path, HEADER + ROW + OTHER)
    call_command("import_sales", str(path))
    before = list(PriceChange.objects.values()), list(WeeklySales.objects.values()), list(Listing.objects.values())
    call_command("import_sales", str(path))
    after = list(PriceChange.objects.values()), list(WeeklySales.objects.values()), list(Listing.objects.values())
    assert before == after and SalesImport.objects.count() == 1


def test_days_add_up_to_their_week_and_are_replaced_with_it(tmp_path):
    tuesday = ROW.replace("536365", "536370").replace("2010-12-01", "2010-11-30")
    call_command("import_sales", str(written(tmp_path, HEADER + ROW + ROW.replace(",6,", ",2,") + tuesday + OTHER)))
    days = DailySales.objects.filter(listing__product__sku="85123A").order_by("day")
    assert [(str(row.day), row.units, str(row.revenue)) for row in days] == [
        ("2010-11-30", 6, "15.3000"),
        ("2010-12-01", 8, "20.4000"),
    ]
    assert WeeklySales.objects.get(listing__product__sku="85123A").units == 14
    call_command("import_sales", str(written(tmp_path, HEADER + ROW, "corrected.csv")))
    assert list(days.values_list("units", flat=True)) == [6], "a day that the corrected week lacks is gone"
    assert DailySales.objects.filter(listing__product__sku="22423").count() == 1


def test_parquet_and_csv_come_to_the_same(tmp_path):
    csv = written(tmp_path, HEADER + ROW + OTHER)
    pl.read_csv(csv, try_parse_dates=True).write_parquet(tmp_path / "sales.parquet")
    call_command("import_sales", str(tmp_path / "sales.parquet"))
    first = list(WeeklySales.objects.values_list("week", "units", "revenue", "price"))
    call_command("import_sales", str(csv))
    assert list(WeeklySales.objects.values_list("week", "units", "revenue", "price")) == first


def test_a_new_list_price_is_published_again(tmp_path):
    call_command("import_sales", str(written(tmp_path, HEADER + ROW)))
    later = ROW.replace("2010-12-01", "2011-05-02").replace("2.55", "2.95")
    call_command("import_sales", str(written(tmp_path, HEADER + later, "later.csv")))
    assert [str(price) for price in PriceChange.objects.order_by("version").values_list("price", flat=True)] == [
        "2.5500",
        "2.9500",
    ]


def test_a_missing_column_is_named(tmp_path):
    line = refused(written(tmp_path, HEADER.replace("UnitPrice", "Price") + ROW))
    assert "column UnitPrice is missing" in line and "found: InvoiceNo" in line


def test_text_in_a_price_names_its_row(tmp_path):
    line = refused(written(tmp_path, HEADER + ROW + OTHER.replace("12.75", "cheap")))
    assert "row 2: UnitPrice is 'cheap'" in line


@pytest.mark.parametrize(("found", "shown"), [("", "empty"), ("NaN", "'NaN'"), ("inf", "'inf'")])
def test_a_price_that_is_no_number_names_its_row(tmp_path, found, shown):
    line = refused(written(tmp_path, HEADER + ROW.replace("2.55", found)))
    assert f"row 1: UnitPrice is {shown}" in line


def test_a_fraction_of_a_unit_and_a_bad_date_name_their_row(tmp_path):
    assert "row 1: Quantity is '6.5'" in refused(written(tmp_path, HEADER + ROW.replace(",6,", ",6.5,")))
    assert "row 1: InvoiceDate is '1st of MayT08:26:00', which is no date and time such as 2010" in refused(
        written(tmp_path, HEADER + ROW.replace("2010-12-01", "1st of May"))
    )


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        (",6,", ",9999999999,", "Quantity"),
        (",2.55,", ",1e300,", "UnitPrice"),
        ("HEART", "HE\x00ART", "Description"),
    ],
)
def test_values_that_no_shop_has_name_their_row(tmp_path, old, new, column):
    assert f"row 1: {column} is" in refused(written(tmp_path, HEADER + ROW.replace(old, new)))


def test_a_price_too_small_to_be_stored_is_refused_in_one_line(tmp_path):
    assert "cannot be stored" in refused(written(tmp_path, HEADER + ROW.replace(",2.55,", ",0.00001,")))


def test_fractions_of_a_unit_in_parquet_are_not_cut_off(tmp_path):
    path = tmp_path / "sales.parquet"
    frame = pl.read_csv(written(tmp_path, HEADER + ROW), try_parse_dates=True)
    frame.with_columns(Quantity=pl.lit(2.7)).write_parquet(path)
    assert "row 1: Quantity is '2.7'" in refused(path)


def test_list_prices_are_whole_minor_units_of_the_channel(tmp_path):
    make_channel("jp", currency="JPY", country="JP", currency_exponent=0)
    call_command("import_sales", str(written(tmp_path, HEADER + ROW.replace(",2.55,", ",255.4,"))), channel="jp")
    assert Listing.objects.get().price == 255


@pytest.mark.parametrize("content", ["", "  \n"])
def test_an_empty_file(tmp_path, content):
    assert "the file is empty" in refused(written(tmp_path, content))


def test_a_header_without_rows(tmp_path):
    assert "no rows" in refused(written(tmp_path, HEADER))


def test_a_file_that_is_not_there(tmp_path):
    assert "no such file" in refused(tmp_path / "nowhere.csv")


def test_another_encoding(tmp_path):
    latin = (HEADER + ROW + OTHER.replace("CAKE", "CAFÉ")).encode("latin-1")
    assert "row 2 is not UTF-8" in refused(written(tmp_path, latin))
    assert "UTF-8" in refused(written(tmp_path, (HEADER + ROW).encode("utf-16"), "wide.csv"))


def test_a_byte_order_mark_does_no_harm(tmp_path):
    call_command("import_sales", str(written(tmp_path, "\ufeff" + HEADER + ROW)))
    assert Product.objects.get().sku == "85123A"


def test_junk_is_refused_without_reading_all_of_it(tmp_path):
    path = written(tmp_path, b"\xff" + random.Random(0).randbytes(65_535))
    with path.open("ab") as file:
        file.truncate(1 << 30)  # 1 GB, sparse
    assert "UTF-8" in refused(path)


def test_junk_behind_a_good_header(tmp_path):
    refused(written(tmp_path, HEADER.encode() + ROW.encode() + random.Random(0).randbytes(1_000_000)))


def test_a_parquet_file_that_was_cut_off(tmp_path):
    assert "not a readable Parquet file" in refused(written(tmp_path, b"PAR1" + bytes(100)))


def test_an_unknown_channel_lists_those_that_exist(tmp_path):
    with pytest.raises(CommandError, match="no channel 'shop'; channels: web") as error:
        call_command("import_sales", str(written(tmp_path, HEADER + ROW)), channel="shop")
    assert error.value.returncode == 2
