"""What else moved demand, from a file: kept whole or not at all, the same file once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from catalog.models import WeekConditions
from tests.factories import make_listing
from tests.locks import wait_until_somebody_waits

pytestmark = pytest.mark.django_db


def imported(tmp_path, text, **options):
    path = tmp_path / "conditions.csv"
    path.write_text(text)
    call_command("import_week_conditions", str(path), **options)


def stored():
    rows = WeekConditions.objects.order_by("listing__product__sku", "week")
    return list(rows.values_list("listing__product__sku", "week", "promotion", "stocked_out"))


def test_weeks_are_kept_by_their_mondays_and_strange_skus_named(tmp_path, capsys):
    make_listing("A")
    make_listing("B")
    imported(tmp_path, "sku,week,promotion,stocked_out\nA,2011-01-05,0.5,0\nB,2011-01-03,0,1\nX,2011-01-03,1,0\n")
    monday = date(2011, 1, 3)
    assert stored() == [("A", monday, 0.5, False), ("B", monday, 0.0, True)]
    said = capsys.readouterr()
    assert "2 weeks kept" in said.out and "1 SKUs are not in channel web: X" in said.err


def test_the_same_file_changes_nothing_and_a_column_that_is_not_given_stays(tmp_path):
    make_listing("A")
    for _ in range(2):
        imported(tmp_path, "sku,week,promotion\nA,2011-01-03,0.5\n")
    imported(tmp_path, "sku,week,stocked_out\nA,2011-01-03,1\n")
    assert stored() == [("A", date(2011, 1, 3), 0.5, True)]


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        (
            "sku,week,promotion\nA,2011-01-03,0.5\nA,2011-01-10,50\n",
            "week of 2011-01-10: promotion is 50; give a share",
        ),
        ("sku,week,stocked_out\nA,2011-01-03,0.5\n", "stocked_out is 0.5; give 0 or 1"),
        ("sku,week,promo\nA,2011-01-03,1\n", "column 'promo' is none of promotion, stocked_out: leave it out"),
        ("sku,week,promotion\nA,soon,1\n", "row 2: week 'soon' is no date"),
        ("sku,week\nA,2011-01-03\n", "a column for each number"),
    ],
)
def test_a_bad_file_is_refused_as_a_whole_with_its_cure(tmp_path, text, cure):
    make_listing("A")
    with pytest.raises(CommandError, match="") as refused:
        imported(tmp_path, text)
    assert cure in str(refused.value) and refused.value.returncode == 2
    assert stored() == []


def test_an_unknown_channel_is_refused_with_those_that_exist(tmp_path):
    make_listing("A")
    with pytest.raises(CommandError, match="no channel 'shop'; channels: web"):
        imported(tmp_path, "sku,week,promotion\nA,2011-01-03,0.5\n", channel="shop")


def test_the_database_refuses_more_than_a_whole_week_of_promotion():
    listing = make_listing("A")
    with pytest.raises(IntegrityError, match="conditions_promotion_share"), transaction.atomic():
        WeekConditions.objects.create(listing=listing, week=date(2011, 1, 3), promotion=1.5)


@pytest.mark.django_db(transaction=True)
def test_an_import_that_waits_for_a_week_holds_no_later_one(tmp_path):
    first = make_listing("A")
    make_listing("B")
    imported(tmp_path, "sku,week,promotion\nA,2011-01-03,0\nA,2011-01-10,0\nB,2011-01-03,0\n")

    def imported_elsewhere():
        try:
            imported(tmp_path, "sku,week,promotion\nB,2011-01-03,1\nA,2011-01-10,1\nA,2011-01-03,1\n")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            WeekConditions.objects.select_for_update().get(listing=first, week=date(2011, 1, 3))
            importing = pool.submit(imported_elsewhere)
            wait_until_somebody_waits()
            # Refused where the import has them already: with the row above, a deadlock.
            later = WeekConditions.objects.select_for_update(nowait=True)
            assert len(later.exclude(listing=first, week=date(2011, 1, 3))) == 2
        importing.result(timeout=30)
    assert [promotion for _, _, promotion, _ in stored()] == [1, 1, 1]
