"""Families and ladders on the page of a price, and what a person is told whose price leaves one broken."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from catalog.guardrails import Place, Rule, pair_binds
from catalog.models import ApprovalPolicy, PriceApproval, PriceGroup, PriceGroupMember, PriceOverride
from catalog.models.listing import PriceSource
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def group(kind, prices, **places):
    made = PriceGroup.objects.create(kind=kind, name=f"Mugs, {kind}")
    listings = [make_listing(f"MUG-{at}", list_price=Decimal(price)) for at, price in enumerate(prices)]
    for at, listing in enumerate(listings):
        place = {name: values[at] for name, values in places.items()}
        PriceGroupMember.objects.create(group=made, kind=kind, product=listing.product, **place)
    return listings


def text_of(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("\N{NO-BREAK SPACE}", " ").split())


def page(client, listing):
    return text_of(client.get(reverse("admin:catalog_listing_change", args=[listing.pk])))


def override(client, listing, price):
    form = {"listing": listing.pk, "kind": "override", "price": price, "reason": "x", "time_zone": "Europe/London"}
    return text_of(client.post(reverse("admin:catalog_priceoverride_add"), form, follow=True))


def test_the_page_of_a_price_lists_the_ladder_with_prices_per_unit(boss):
    small, middle, _ = group("size_ladder", ["10.00", "40.00", "61.00"], pack_size=[1, 4, 6])
    text = page(boss, small)
    for part in ("Size ladder “Mugs, size_ladder”", "Price per unit", "£40.00", "£10.167", "kept, and just so"):
        assert part in text, part
    assert "broken by £0.67" in text  # 61.00 for 6 is 10.17 a unit, so that 4 must cost 40.67 at least
    assert reverse("admin:catalog_listing_change", args=[middle.pk]) in text
    assert "Price per unit" not in page(boss, make_listing())


def test_the_next_pair_of_a_family_may_be_kept_loosely():
    one, two = Place(size=1), Place(size=2)
    assert pair_binds(Rule.FAMILY, Place(), Place(), 100, 100)
    assert not pair_binds(Rule.FAMILY, Place(), Place(), 100, 101)
    assert pair_binds(Rule.SIZE_LADDER, one, two, 50, 100) and pair_binds(Rule.SIZE_LADDER, one, two, 100, 100)
    assert not pair_binds(Rule.SIZE_LADDER, one, two, 60, 100)
    assert pair_binds(Rule.QUALITY_LADDER, Place(step_ticks=20), Place(), 100, 120)
    assert not pair_binds(Rule.QUALITY_LADDER, Place(step_ticks=20), Place(), 100, 130)


def test_who_sets_an_override_is_told_which_family_it_leaves_broken(boss):
    one, two = group("family", ["10.00", "10.00"])
    told = "Family “Mugs, family” is left broken: MUG-0 at £11.00 and MUG-1 at £10.00 miss it by £1.00"
    assert told in override(boss, one, "11.00")
    assert "left broken" not in override(boss, two, "11.00")
    row = PriceOverride.objects.get(listing=one)
    cancelled = boss.post(
        reverse("admin:catalog_priceoverride_changelist"),
        {"action": "cancel_selected", "_selected_action": [row.pk]},
        follow=True,
    )
    assert "left broken: MUG-0 at £10.00 and MUG-1 at £11.00" in text_of(cancelled)


def test_who_sets_a_list_price_is_told_too(boss):
    one, _ = group("family", ["10.00", "10.00"])
    url = reverse("admin:catalog_listing_change", args=[one.pk])
    facts = {"list_price": "10.50", "unit_cost": "6", "inventory": "500"}
    assert "MUG-0 at £10.50 and MUG-1 at £10.00 miss it by £0.50" in text_of(boss.post(url, facts, follow=True))
    assert "left broken" not in text_of(boss.post(url, facts | {"inventory": "400"}, follow=True))


def test_who_asks_is_told_that_it_waits_and_who_approves_what_it_breaks(boss, client):
    ApprovalPolicy.objects.create(max_change="0.1")
    one, _ = group("family", ["10.00", "10.00"])
    text = override(boss, one, "12.00")
    assert "It waits for a second person" in text and "left broken" not in text
    listed = text_of(boss.get(reverse("admin:catalog_priceoverride_changelist")))
    assert "waits for approval" in listed.lower()
    client.force_login(User.objects.create_superuser("second"))
    decide = reverse("admin:catalog_priceapproval_decide", args=[PriceApproval.objects.get().pk])
    told = text_of(client.post(decide, {"decision": "approve"}, follow=True))
    assert "1 approved and published" in told and "MUG-0 at £12.00 and MUG-1 at £10.00 miss it by £2.00" in told


def test_the_page_names_a_price_that_waits(boss):
    ApprovalPolicy.objects.create(max_change="0.1")
    listing = make_listing()
    publish(listing, "12.00", source=PriceSource.OVERRIDE, author=User.objects.get(username="boss"))
    assert "£12.00 waits for a second person" in page(boss, listing)
