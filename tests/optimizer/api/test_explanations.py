from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from catalog.arms import drawn_arm
from catalog.models import ServedExperiment
from catalog.models.listing import PriceSource
from catalog.services.arms import Arm, serve_arms
from tests.factories import make_api_key, make_listing, publish

pytestmark = pytest.mark.django_db

ARMS = (Arm("control", 5_000, Decimal("10.00")), Arm("dearer", 5_000, Decimal("10.50")))


def why(client, sku: str, **query):
    headers = {"Authorization": f"Bearer {make_api_key()}"}
    response = client.get(f"/api/v1/prices/{sku}/explanation", query, headers=headers)
    assert response.status_code == 200, response.content
    return response.json()


def test_a_persons_price_tells_who_why_and_what_the_gate_knew(client):
    listing = make_listing("A", unit_cost=Decimal("6.25"))
    author = User.objects.create_user("ann")
    publish(listing, "9.00", source=PriceSource.OVERRIDE, author=author, reason="Meet a rival")
    body = why(client, "A")
    assert (body["change"]["author"], body["change"]["reason"]) == ("ann", "Meet a rival")
    checked = body["why"]["checked"]
    assert checked["unit_cost"]["value"] == "6.25" and checked["unit_cost"]["at"] and checked["at"]
    assert checked["rules"] == ["loss_floor"]
    assert body["served"]["price"] == "9.00" and body["replay"] is None and body["arms"] == []


def test_an_automatic_price_was_checked_against_every_hard_rule_and_step(client):
    publish(make_listing("A"), "10.50")
    rules = why(client, "A")["why"]["checked"]["rules"]
    assert rules[:5] == ["loss_floor", "min_margin", "map", "floor", "ceiling"]
    assert {"max_change", "max_change_per_day", "changes_per_day"} == {*rules[5:]}


def test_a_price_of_an_experiment_names_the_arm_that_is_drawn(client):
    listing = make_listing("A")
    publish(listing, "10.00", source=PriceSource.LIST_PRICE)
    unit = ServedExperiment.Unit.REGION
    serve_arms(
        channel=listing.channel, experiment="spring", salt="s", unit=unit, arms={listing.pk: ARMS}, now=timezone.now()
    )
    for region in ("leeds", "york", "bath", "hull"):
        body = why(client, "A", region=region)
        arm = ARMS[drawn_arm("s", region, (5_000, 5_000))]
        served = body["served"]
        assert (served["experiment"], served["arm"], served["price"]) == ("spring", arm.name, str(arm.price))
        assert [each["arm"] for each in body["arms"]] == ["control", "dearer"]


def test_a_list_price_that_was_never_published_is_explained_too(client):
    make_listing("A")
    body = why(client, "A")
    assert body["change"] is None and body["why"] == {}
    assert (body["served"]["price"], body["served"]["source"]) == ("10.00", "list_price")


def test_the_page_shows_arms_and_what_the_gate_checked(client):
    client.force_login(User.objects.create_superuser("boss"))
    listing = make_listing("A")
    publish(listing, "10.00", source=PriceSource.LIST_PRICE)
    unit = ServedExperiment.Unit.SKU
    serve_arms(
        channel=listing.channel, experiment="spring", salt="s", unit=unit, arms={listing.pk: ARMS}, now=timezone.now()
    )
    text = client.get(f"/admin/catalog/listing/{listing.pk}/change/").content.decode()
    assert "Unit cost at the gate" in text and "The experiment that it is served through" in text
    assert text.count("served now") == 1
