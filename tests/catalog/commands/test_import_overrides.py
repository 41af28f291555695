import csv
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.models import PriceOverride
from catalog.services.import_overrides import MAX_ROWS
from tests.factories import make_channel, make_listing

pytestmark = pytest.mark.django_db

HEADER = "sku,price,starts_at,ends_at,time_zone,kind,reason\n"
DAY = f"{timezone.now() + timedelta(days=30):%Y-%m-%d}"


def row(sku, price="8.00", starts="09:00", ends="17:00", zone="Europe/London", kind="override", reason="Fair"):
    return f"{sku},{price},{DAY} {starts},{DAY} {ends},{zone},{kind},{reason}\n"


def written(tmp_path, content, name="prices.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path, *arguments):
    with pytest.raises(CommandError) as error:
        call_command("import_overrides", str(path), *arguments)
    assert error.value.returncode == 2 and "\n" not in str(error.value)
    return str(error.value)


def test_without_apply_it_shows_what_would_change_and_writes_nothing(tmp_path, capsys):
    make_listing("A")
    call_command("import_overrides", str(written(tmp_path, HEADER + row("A"))))
    shown = capsys.readouterr().out
    assert "10.00" in shown and "8.00" in shown and "25.0%" in shown
    assert "1 can be scheduled; nothing was written" in shown
    assert not PriceOverride.objects.exists() and not list(tmp_path.glob("*.errors.csv"))


def test_good_rows_are_kept_and_bad_rows_come_back_with_row_field_and_cure(tmp_path):
    ann = User.objects.create(username="ann")
    for sku in "ABCD":
        make_listing(sku)
    bad = row("B", "5.00") + row("NONE") + row("C", "12.00", kind="promotion") + row("A", starts="10:00")
    path = written(tmp_path, HEADER + row("A") + bad + row("D", "soon", zone="London", reason=""))
    assert refused(path, "--apply", "--author", "ann") == f"5 of 6 rows are bad: see {path}.errors.csv."
    override = PriceOverride.objects.get()
    assert (override.listing.product.sku, override.author, override.time_zone) == ("A", ann, "Europe/London")
    with (tmp_path / "prices.csv.errors.csv").open() as file:
        errors = list(csv.DictReader(file))
    assert [(error["row"], error["sku"], error["field"]) for error in errors] == [
        ("3", "B", "price"),
        ("4", "NONE", "sku"),
        ("5", "C", "price"),
        ("6", "A", "starts_at"),
        ("7", "D", "price; time_zone; reason"),
    ]
    assert "Below the unit cost: raise the price" in errors[0]["cure"]


def test_a_mended_error_file_is_a_file_again(tmp_path):
    make_listing("A")
    path = written(tmp_path, HEADER + row("A", "5.00"))
    refused(path, "--apply")
    mended = (tmp_path / "prices.csv.errors.csv").read_text().replace("5.00", "8.00")
    call_command("import_overrides", str(written(tmp_path, mended, "mended.csv")), "--apply")
    assert PriceOverride.objects.count() == 1


def test_the_same_file_again_schedules_nothing_twice(tmp_path, capsys):
    make_listing("A"), make_listing("B")
    path = written(tmp_path, HEADER + row("A") + row("B").replace(f"{DAY} 09:00", ""))
    call_command("import_overrides", str(path), "--apply")
    before = list(PriceOverride.objects.values())
    assert {each["status"] for each in before} == {"scheduled", "active"}
    call_command("import_overrides", str(path), "--apply")
    assert list(PriceOverride.objects.values()) == before
    assert "0 scheduled; 2 were scheduled before; 0 bad" in capsys.readouterr().out


def test_a_row_that_stands_there_twice_is_named(tmp_path):
    make_listing("A")
    path = written(tmp_path, HEADER + row("A") * 2)
    refused(path, "--apply")
    assert "The same as row 2" in (tmp_path / "prices.csv.errors.csv").read_text()


def test_semicolons_and_a_byte_order_mark_are_read(tmp_path):
    make_listing("A")
    content = "\ufeff" + (HEADER + row("A")).replace(",", ";")
    call_command("import_overrides", str(written(tmp_path, content)), "--apply")
    assert PriceOverride.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "Column sku is missing; found: nothing"),
        ("sku,reason\n", "Column price is missing; found: sku, reason"),
        (HEADER.replace("kind", "sort"), "Column 'sort' is unknown"),
        (HEADER.encode() + b"A,8,,,UTC,override,\xff\n", "Not UTF-8"),
        (HEADER + "A,8,,,UTC,override,one, two\n", "Row 2 has 8 cells for 7 columns: put text with commas in quotes"),
        (HEADER + 'A,8,,,UTC,override,"one\n', "Not a CSV file"),
        (HEADER + "A,8,,,UTC,override,x\n" * (MAX_ROWS + 1), "More than 10,000 rows: split the file"),
        (b"x" * 2_000_001, "Larger than 2 MB"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, content, words):
    make_channel()
    assert words in refused(written(tmp_path, content), "--apply")


def test_a_missing_file_channel_and_author_are_named(tmp_path):
    make_channel()
    assert "No such file" in refused(tmp_path / "none.csv")
    path = written(tmp_path, HEADER)
    assert "no channel 'shop'" in refused(path, "--channel", "shop")
    with pytest.raises(CommandError, match="--author: no user 'bob'"):
        call_command("import_overrides", str(path), "--apply", "--author", "bob")
