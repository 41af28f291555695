from decimal import Decimal

import pytest
from django.utils import timezone

from catalog.assumptions import assumed_unit_cost
from catalog.models import CompetitorPrice, Listing
from catalog.services.assume_facts import assume_missing_facts
from tests.factories import make_channel, make_listing

pytestmark = pytest.mark.django_db


def assume():
    return assume_missing_facts(channel=make_channel(), now=timezone.now())


def bare(sku: str, **fields) -> Listing:
    return make_listing(sku, unit_cost=None, inventory=None, **fields)


def stored() -> tuple[list, list]:
    listings, offers = Listing.objects.order_by("pk"), CompetitorPrice.objects.order_by("pk")
    return list(listings.values()), list(offers.values())


def test_what_is_missing_is_made_up_and_marked():
    listing = bare("85123A", name="RED MUG")
    facts = assume()
    listing.refresh_from_db()
    assert listing.unit_cost == assumed_unit_cost("85123A", listing.list_price)
    assert Decimal("4.00") <= listing.unit_cost <= Decimal("6.00") and listing.inventory == 0
    assert listing.assumed_facts == ["unit_cost", "inventory"]
    assert (listing.product.category.code, listing.product.category.assumed) == ("mugs-and-cups", True)
    assert (facts.costs, facts.inventories, facts.categories) == (1, 1, 1)


def test_facts_that_the_shop_gave_are_never_touched():
    listing = make_listing(unit_cost=Decimal("1.2345"), inventory=7)
    assume()
    listing.refresh_from_db()
    assert (listing.unit_cost, listing.inventory, listing.assumed_facts) == (Decimal("1.2345"), 7, [])


def test_a_second_call_changes_nothing():
    for number in range(10000, 10040):
        bare(str(number))
    assume()
    before = list(Listing.objects.order_by("pk").values()), list(CompetitorPrice.objects.order_by("pk").values())
    facts = assume()
    assert (facts.inventories, facts.offers, facts.categories) == (0, 0, 0)
    assert before == (
        list(Listing.objects.order_by("pk").values()),
        list(CompetitorPrice.objects.order_by("pk").values()),
    )


def test_a_few_skus_are_left_without_a_cost():
    without = [sku for sku in map(str, range(10000, 12000)) if assumed_unit_cost(sku, Decimal(10)) is None]
    assert 20 <= len(without) <= 60
