import hashlib
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog.models import Listing, PriceChange
from catalog.models.listing import PriceSource
from catalog.selectors.ledger_faults import ledger_faults
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def listing():
    """A listing with four versions, beside another one that stays whole."""
    listing = make_listing("85123A")
    publish(make_listing(), "10.50")
    for day, price in enumerate(["10.50", "11.00", "10.00", "10.50"]):
        publish(listing, price, now=timezone.now() - timedelta(days=9 - day), explanation={"note": None, "day": day})
    return listing


def tamper(statement, *arguments):
    """Change rows as the tables' owner could, past the triggers."""
    tables = ("catalog_pricechange", "catalog_listing")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement, arguments)
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def faults(**options):
    return [(fault.sku, fault.version, fault.problem) for fault in ledger_faults(**options)]


def test_a_whole_ledger_is_said_to_be_whole(listing, capsys):
    call_command("check_ledger")
    assert "the ledger is whole" in capsys.readouterr().out
    assert faults() == []


def test_each_row_holds_the_hash_before_it_and_its_own(listing):
    rows = list(PriceChange.objects.filter(listing=listing).order_by("version"))
    hashes = [bytes(row.row_hash) for row in rows]
    assert [bytes(row.previous_hash) for row in rows] == [bytes(32), *hashes[:-1]]
    assert len(set(hashes)) == 4 and {len(value) for value in hashes} == {hashlib.sha256().digest_size}


def test_a_writer_cannot_choose_the_hash(listing):
    change = PriceChange.objects.create(
        listing=listing, version=5, price=9, prior_price=9, valid_from=timezone.now(), source="override",
        row_hash=b"mine", previous_hash=b"mine", idempotency_key="mine",
    )  # fmt: skip
    change.refresh_from_db()
    assert bytes(change.row_hash) != b"mine" and len(bytes(change.previous_hash)) == 32


def test_a_version_that_does_not_follow_is_refused(listing):
    for version in (1, 4, 6):
        with pytest.raises(IntegrityError, match="no gaps"), transaction.atomic():
            PriceChange.objects.create(
                listing=listing, version=version, price=9, prior_price=9, valid_from=timezone.now(), source="override"
            )


def test_one_changed_byte_is_found_and_named(listing, capsys):
    tamper("UPDATE catalog_pricechange SET price = 10.99 WHERE listing_id = %s AND version = 2", listing.pk)
    row = PriceChange.objects.get(listing=listing, version=2)
    with pytest.raises(CommandError, match="1 faults") as failure:
        call_command("check_ledger")
    assert failure.value.returncode == 1
    assert f"85123A in web, version 2, row {row.pk}: its content is not what was hashed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        "reason = 'x'", "source = 'bandit'", "prior_price = 1", "valid_from = valid_from - interval '1 microsecond'",
        "explanation = '{}'", "explanation = explanation - 'note'", "personalised = true", "floor = NULL",
        "idempotency_key = idempotency_key || ' '", "run_id = gen_random_uuid()", "row_hash = sha256('x')",
    ],
)  # fmt: skip
def test_every_column_counts(listing, change):
    tamper(f"UPDATE catalog_pricechange SET {change} WHERE listing_id = %s AND version = 3", listing.pk)
    assert (faults()[0])[:2] == ("85123A", 3)


def test_a_row_deleted_from_the_middle_is_found(listing):
    tamper("DELETE FROM catalog_pricechange WHERE listing_id = %s AND version = 2", listing.pk)
    assert faults() == [("85123A", 3, "versions 2 to 2 are missing; it does not follow the row before it")]


def test_a_row_deleted_and_the_rest_renumbered_is_found(listing):
    tamper("DELETE FROM catalog_pricechange WHERE listing_id = %s AND version = 2", listing.pk)
    tamper("UPDATE catalog_pricechange SET version = 2 WHERE listing_id = %s AND version = 3", listing.pk)
    assert [version for _, version, _ in faults()] == [2, 4]


def test_the_first_rows_deleted_are_found(listing):
    tamper("DELETE FROM catalog_pricechange WHERE listing_id = %s AND version < 3", listing.pk)
    assert faults() == [("85123A", 3, "versions 1 to 2 are missing")]


def test_a_tail_cut_off_is_found(listing):
    tamper("DELETE FROM catalog_pricechange WHERE listing_id = %s AND version > 2", listing.pk)
    assert faults() == [("85123A", 4, "the listing is at version 4, the ledger ends at 2")]


def test_all_rows_of_a_listing_deleted_are_found(listing):
    tamper("DELETE FROM catalog_pricechange WHERE listing_id = %s", listing.pk)
    assert faults() == [("85123A", 4, "the listing is at version 4, the ledger ends at 0")]


def test_two_rows_exchanged_are_found(listing):
    exchange = "UPDATE catalog_pricechange SET version = %s WHERE listing_id = %s AND version = %s"
    for new, old in [(99, 2), (2, 3), (3, 99)]:
        tamper(exchange, new, listing.pk, old)
    assert [version for _, version, _ in faults()] == [2, 3, 4]


def test_a_listing_moved_past_the_gate_is_found(listing):
    tamper("UPDATE catalog_listing SET price = 1 WHERE id = %s", listing.pk)
    assert faults() == [("85123A", 4, "the listing has the price 1.0000, the ledger 10.5000")]


def test_a_channel_and_a_time_narrow_the_check(listing):
    tamper("UPDATE catalog_pricechange SET price = 10.99 WHERE listing_id = %s AND version = 2", listing.pk)
    assert faults(channel=make_channel("other")) == []
    change = PriceChange.objects.get(listing=listing, version=2)
    assert len(faults(since=change.valid_from)) == 1
    assert faults(since=PriceChange.objects.get(listing=listing, version=4).valid_from) == []


def test_the_check_goes_on_over_pages(listing, monkeypatch):
    monkeypatch.setattr("catalog.selectors.ledger_faults.LISTINGS_PER_PAGE", 1)
    tamper("UPDATE catalog_pricechange SET price = 10.99 WHERE version = 1")
    done = []
    assert len(faults(progress=done.append)) >= 2 and done == [1, 2]


def test_an_anchor_holds_while_prices_go_on_and_not_once_history_was_written_anew(listing, tmp_path, capsys):
    path = tmp_path / "anchor.json"
    call_command("check_ledger", anchor=path)
    publish(listing, "11.50")
    call_command("check_ledger", verify_anchor=path)
    assert "and holds the anchor of" in capsys.readouterr().out
    # Somebody who takes the end off, the listing with it, and publishes anew leaves whole chains behind.
    tamper("DELETE FROM catalog_pricechange WHERE listing_id = %s AND version > 3", listing.pk)
    last = PriceChange.objects.get(listing=listing, version=3)
    tamper(
        "UPDATE catalog_listing SET price = %s, price_version = 3, price_since = %s WHERE id = %s",
        last.price,
        last.valid_from,
        listing.pk,
    )
    publish(Listing.objects.get(pk=listing.pk), "10.80", source=PriceSource.OVERRIDE)
    assert faults() == []
    with pytest.raises(CommandError, match="1 faults"):
        call_command("check_ledger", verify_anchor=path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"taken_at": 1, "last_row": 1, "heads": 1, "digest": ""}'])
def test_what_is_no_anchor_is_refused(tmp_path, text):
    path = tmp_path / "anchor.json"
    path.write_text(text)
    with pytest.raises(CommandError, match="no anchor") as failure:
        call_command("check_ledger", verify_anchor=path)
    assert failure.value.returncode == 2
    with pytest.raises(CommandError, match="cannot read"):
        call_command("check_ledger", verify_anchor=tmp_path / "none")
