"""How price sensitive segments are, from a file that says who bought: told apart, or refused with the cure."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command

from catalog.models import WeeklySales
from tests.factories import make_channel

pytestmark = pytest.mark.django_db

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "Customer")
TRUTH = {"guest": -1.0, "member": -2.5}


@pytest.fixture
def path(tmp_path):
    """A file of 40 products and 40 weeks, in which members mind a price more than guests do."""
    rng, rows, path = np.random.default_rng(4), [], tmp_path / "sales.csv"
    for product in range(40):
        prices = np.round(10 * np.exp(rng.normal(0, 0.15, 40)), 2)
        for week, price in enumerate(prices):
            for number, (who, elasticity) in enumerate(TRUTH.items()):
                units = np.exp(5 + elasticity * np.log(price / 10) + rng.normal(0, 0.3))
                day = datetime(2011, 1, 3) + timedelta(weeks=week, days=product % 5)
                rows.append((f"{week}{product:02}{number}", f"{10000 + product}", "", round(units), day, price, who))
    write(path, rows)
    return path


def write(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def test_segments_that_differ_are_told_apart_and_nothing_is_stored(path, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    make_channel()
    call_command("estimate_segments", str(path), column="Customer", output=tmp_path / "products.csv")
    lines = [line.split("│") for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    found = {cells[1].strip(): float(cells[2]) for cells in lines}
    assert list(found) == ["guest", "member"]
    assert found == pytest.approx(TRUTH, abs=0.25)
    assert [int(cells[5].replace(",", "")) for cells in lines] == [1_600, 1_600]
    products = pl.read_csv(tmp_path / "products.csv")
    means = dict(products.group_by("segment").agg(pl.mean("elasticity")).iter_rows())
    assert len(products) == 80 and means == pytest.approx(TRUTH, abs=0.2)
    assert not WeeklySales.objects.exists()


def test_small_segments_are_one_and_those_without_a_name_are_called_so(path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    make_channel()
    rows = list(csv.reader(path.open()))[1:]
    for number, row in enumerate(rows):
        row[-1] = f"few {number % 8}" if row[-1] == "guest" else " "
    write(path, rows)
    call_command("estimate_segments", str(path), column="Customer")
    names = [line.split("│")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert sorted(names) == ["all others", "not said"]


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        ({"column": "Who"}, "there is no column 'Who' (found: InvoiceNo, StockCode"),
        ({"column": "Description"}, "fewer than two values with 500 weeks of SKUs each"),
        ({"column": "Customer", "channel": "nowhere"}, "no channel 'nowhere'"),
        ({"column": "Customer", "output": Path("/nowhere/products.csv")}, "/nowhere/products.csv"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(path, options, cure):
    make_channel()
    with pytest.raises(CommandError) as error:
        call_command("estimate_segments", str(path), **options)
    assert cure in str(error.value) and error.value.returncode == 2 and "\n" not in str(error.value)
