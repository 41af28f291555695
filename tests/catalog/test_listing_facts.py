from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from catalog.gateway import served_prices
from catalog.models import PriceChange
from catalog.services.listing_facts import change_listing_facts
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager():
    return User.objects.create_user("manager")


def changed(listing, manager, **facts):
    for name, value in facts.items():
        setattr(listing, name, value)
    return change_listing_facts(listing=listing, changed=list(facts), author=manager, now=timezone.now())


def test_a_new_list_price_comes_into_force_through_the_gate(manager):
    listing = make_listing()
    assert changed(listing, manager, list_price=Decimal("11.00")) is None
    change = PriceChange.objects.get()
    assert (change.price, change.author, change.source) == (Decimal("11.00"), manager, "list_price")


def test_a_list_price_that_the_gate_refuses_is_never_served(manager):
    listing = make_listing()
    assert changed(listing, manager, list_price=Decimal("4.00")) == "loss_floor"
    sku = listing.product.sku
    assert served_prices(channel="web", skus=[sku])[sku]["price"] == "10.00"


def test_what_a_person_sets_is_no_longer_assumed(manager):
    listing = make_listing(unit_cost_assumed=True)
    changed(listing, manager, unit_cost=Decimal("5.00"))
    listing.refresh_from_db()
    assert listing.unit_cost == Decimal("5.00") and not listing.unit_cost_assumed


def test_a_price_published_meanwhile_stays(manager):
    listing = make_listing()
    seen = type(listing).objects.select_related("product", "channel").get(pk=listing.pk)
    publish(listing, "10.50")
    changed(seen, manager, list_price=Decimal("11.00"), inventory=7)
    listing.refresh_from_db()
    assert (listing.price, listing.list_price, listing.inventory) == (Decimal("10.50"), Decimal("11.00"), 7)
