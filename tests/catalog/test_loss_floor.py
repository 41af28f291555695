"""The database's own rules about prices: they hold whoever writes, past the gate as well."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog.models import Listing, PriceChange
from catalog.models.listing import PriceSource
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db

INSERT = """
INSERT INTO catalog_pricechange
       (listing_id, version, price, prior_price, floor, valid_from, source, reason, idempotency_key, binding_rule,
        explanation, personalised)
VALUES (%s, %s, %s, %s, %s, now(), 'override', '', 'by hand', '', '{}', false)
"""


def execute(statement, parameters):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)


@pytest.mark.parametrize("floor", [None, "0.01"])
def test_a_ledger_row_below_the_unit_cost_is_refused_whatever_floor_it_claims(floor):
    listing = make_listing()
    with pytest.raises(IntegrityError, match="below its unit cost"):
        execute(INSERT, [listing.pk, 1, "5.99", "5.99", floor])
    execute(INSERT, [listing.pk, 1, "6.00", "6.00", floor])
    assert PriceChange.objects.get().price == Decimal("6.00")


def test_a_cost_that_is_not_known_refuses_nothing():
    listing = make_listing(unit_cost=None)
    execute(INSERT, [listing.pk, 1, "0.01", "0.01", None])
    assert PriceChange.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "5.00"},
        {"price": "9.00"},
        {"price": "9.00", "price_version": 2},
        {"price": "10.00", "price_version": 1},
        {"price_version": 7},
        {"price": None, "price_version": 0},
    ],
)
def test_a_listing_takes_only_the_price_of_a_newer_ledger_row(changes):
    listing = make_listing()
    publish(listing, "10.00", source=PriceSource.LIST_PRICE)
    publish(listing, "11.00", source=PriceSource.OVERRIDE)
    with pytest.raises(IntegrityError, match="newer row of the ledger"), transaction.atomic():
        Listing.objects.filter(pk=listing.pk).update(**changes)
    listing.refresh_from_db()
    assert (listing.price, listing.price_version) == (Decimal("11.00"), 2)


def test_a_new_listing_has_no_price_in_force():
    listing = make_listing()
    with pytest.raises(IntegrityError, match="newer row of the ledger"), transaction.atomic():
        make_listing(channel=listing.channel, price=Decimal("0.01"), price_version=1)


def test_a_cost_may_rise_above_the_price_in_force_which_stays():
    listing = make_listing()
    publish(listing, "10.00", source=PriceSource.OVERRIDE)
    Listing.objects.filter(pk=listing.pk).update(unit_cost=Decimal("12.00"))
    listing.refresh_from_db()
    assert (listing.price, listing.unit_cost) == (Decimal("10.00"), Decimal("12.00"))
    assert publish(listing, "11.00", source=PriceSource.OVERRIDE).refused == {listing.pk: "loss_floor"}
    assert publish(listing, "12.00", source=PriceSource.OVERRIDE, now=timezone.now() + timedelta(1)).published
