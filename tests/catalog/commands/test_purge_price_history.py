from datetime import timedelta
from random import Random

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog.models import LedgerPurge, PriceChange
from catalog.models.listing import PriceSource
from catalog.selectors.ledger_faults import ledger_faults
from catalog.selectors.price_as_of import price_as_of
from catalog.services.purge_price_history import purge_price_history
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db

CUT_OFF = 100


def days_ago(days):
    return timezone.now() - timedelta(days=days)


def priced(*changes):
    listing = make_listing(channel=make_channel("de", currency="EUR", country="DE"))
    for days, price in changes:
        publish(listing, price, now=days_ago(days), source=PriceSource.OVERRIDE)
    return listing


def purge(days=CUT_OFF):
    return purge_price_history(before=days_ago(days), made_by="anna", now=timezone.now())


def versions(listing):
    return list(PriceChange.objects.filter(listing=listing).order_by("version").values_list("version", flat=True))


def test_old_rows_go_and_the_chain_holds(capsys):
    listing = priced((400, "11.00"), (300, "12.00"), (200, "10.00"), (150, "11.00"), (50, "10.00"))
    last_removed = PriceChange.objects.get(listing=listing, version=2)
    call_command("purge_price_history", before=days_ago(CUT_OFF), by="anna")
    assert "2 rows removed" in capsys.readouterr().out and versions(listing) == [3, 4, 5]
    record = LedgerPurge.objects.get()
    assert (record.made_by, record.rows, len(record.digest)) == ("anna", 2, 64)
    kept = PriceChange.objects.get(listing=listing, version=3)
    assert bytes(kept.previous_hash) == bytes(last_removed.row_hash)
    assert list(ledger_faults()) == []
    assert purge() == 0 and LedgerPurge.objects.count() == 1


def test_what_a_running_reduction_is_judged_from_stays():
    # 80 -> 100 -> 90 long before the cut-off: without the first row the reduction could be announced
    listing = priced((400, "8.00"), (220, "10.00"), (200, "9.00"))
    assert purge() == 0
    law = price_as_of(listings=[listing], at=timezone.now(), now=timezone.now())[listing.pk].law
    assert (str(law.prior_price), law.reduction_may_be_announced) == ("8.0000", False)


def test_every_judgement_from_the_cut_off_on_survives():
    rng = Random(11)
    listings = [
        priced(*((days, f"{rng.randint(7, 14)}.00") for days in sorted(rng.sample(range(1, 400), 14), reverse=True)))
        for _ in range(12)
    ]
    now = timezone.now()
    moments = [now - timedelta(days=days) for days in (CUT_OFF, 99, 80, 60, 31, 5, 0)]
    before = [price_as_of(listings=listings, at=at, now=now) for at in moments]
    assert purge_price_history(before=moments[0], made_by="anna", now=now) > 20
    assert [price_as_of(listings=listings, at=at, now=now) for at in moments] == before
    assert list(ledger_faults()) == []


def test_a_time_that_was_purged_has_no_known_price():
    listing = priced((400, "11.00"), (300, "12.00"), (200, "12.50"), (150, "13.00"))
    assert purge() > 0
    assert price_as_of(listings=[listing], at=days_ago(350), now=timezone.now()) == {}


def test_a_younger_cut_off_is_refused():
    with pytest.raises(CommandError, match="last 30 days") as failure:
        call_command("purge_price_history", before=days_ago(30))
    assert failure.value.returncode == 2


def test_only_a_recorded_purge_deletes_and_only_what_it_covers():
    listing = priced((400, "11.00"), (300, "12.00"), (200, "12.50"))
    delete = "DELETE FROM catalog_pricechange WHERE listing_id = %s AND version = %s"
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(delete, [listing.pk, 1])
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL pricing.ledger_purge = '0'")
        cursor.execute(delete, [listing.pk, 1])
    record = LedgerPurge.objects.create(
        made_at=timezone.now(), made_by="eve", cut_off=days_ago(CUT_OFF), rows=1, digest="",
        first_listing=listing.pk, last_listing=listing.pk,
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL pricing.ledger_purge = '{record.pk}'")
        cursor.execute(delete, [listing.pk, 3])  # the last one
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        LedgerPurge.objects.all().delete()


def test_rows_missing_after_the_cut_off_are_found_in_spite_of_a_purge():
    listing = priced((400, "11.00"), (300, "12.00"), (200, "12.50"), (50, "13.00"))
    assert purge() > 0
    connection.check_constraints()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE catalog_pricechange DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM catalog_pricechange WHERE listing_id = %s AND version < 4", [listing.pk])
    assert [fault.problem for fault in ledger_faults()] == ["versions 1 to 3 are missing"]
