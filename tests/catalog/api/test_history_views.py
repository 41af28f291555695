from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Listing
from catalog.models.access import Scope
from catalog.models.listing import PriceSource
from catalog.selectors.price_as_of import MomentRefused, price_as_of
from tests.factories import make_api_key, make_channel, make_listing, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.PRICES_READ)}")
    return client


@pytest.fixture
def listing():
    listing = make_listing("85123A", channel=make_channel("de", currency="EUR", country="DE"))
    publish(listing, "10.00", now=days_ago(60), source=PriceSource.LIST_PRICE)
    publish(listing, "8.00", now=days_ago(30), source=PriceSource.OVERRIDE)
    return listing


def days_ago(days):
    return timezone.now() - timedelta(days=days)


def asked(client, at, sku="85123A"):
    return client.get(f"/api/v1/prices/{sku}/as-of", {"channel": "de", "at": at})


def test_the_price_of_a_past_moment(client, listing):
    body = asked(client, days_ago(10).isoformat()).json()
    assert body.pop("valid_from") and body.pop("decision_id")
    assert body == {
        "sku": "85123A", "channel": "de", "price": "8.00", "currency": "EUR", "version": 2, "source": "override",
        "prior_price": "10.00", "reduction_may_be_announced": True, "reduction_percent": 20,
    }  # fmt: skip
    earlier = asked(client, days_ago(40).isoformat()).json()
    assert (earlier["price"], earlier["version"], earlier["reduction_may_be_announced"]) == ("10.00", 1, False)


def test_a_change_applies_from_its_very_moment(client, listing):
    since = listing.price_since
    assert asked(client, since.isoformat()).json()["version"] == 2
    assert asked(client, (since - timedelta(microseconds=1)).isoformat()).json()["version"] == 1


def test_before_the_first_row_the_list_price_applied(client, listing):
    other = make_listing("OTHER", channel=listing.channel, list_price=Decimal("10.00"))
    publish(other, "9.00", now=days_ago(5))
    Listing.objects.filter(pk=other.pk).update(list_price=Decimal("99.00"))
    body = asked(client, days_ago(6).isoformat(), "OTHER").json()
    assert (body["price"], body["version"], body["source"], body["valid_from"]) == ("10.00", 0, "list_price", None)


def test_what_had_no_price_yet_is_not_found(client, listing):
    response = asked(client, days_ago(61).isoformat())
    assert response.status_code == 404 and "no price" in response.json()["detail"].lower()


def test_a_listing_never_published_has_its_list_price(client, listing):
    make_listing("NEW", channel=listing.channel)
    assert asked(client, days_ago(1).isoformat(), "NEW").json()["price"] == "10.00"


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("", "Give a moment"),
        ("yesterday", "Give a moment"),
        ("2026-13-01T00:00:00Z", "Give a moment"),
        ("2026-11-26T12:00:00", "time zone"),
        ("2999-01-01T00:00:00Z", "has not come yet"),
    ],
)
def test_a_moment_that_cannot_be_meant_is_refused(client, listing, at, says):
    response = asked(client, at)
    assert response.status_code == 400
    error = response.json()["errors"][0]
    assert error["pointer"].endswith("at") and says in error["detail"]


def test_an_unescaped_plus_is_understood(client, listing):
    text = days_ago(10).isoformat().replace("+", " ")
    assert asked(client, text).json()["version"] == 2


def test_many_listings_at_once(listing):
    listings = [listing, make_listing("B", channel=listing.channel)]
    found = price_as_of(listings=listings, at=days_ago(1), now=timezone.now())
    assert {pk: str(each.price) for pk, each in found.items()} == {
        listings[0].pk: "8.0000", listings[1].pk: "10.00",
    }  # fmt: skip
    with pytest.raises(MomentRefused):
        price_as_of(listings=listings, at=timezone.now() + timedelta(days=1), now=timezone.now())


def test_the_scope_is_asked_for(listing):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.RUNS_WRITE)}")
    assert asked(client, days_ago(1).isoformat()).status_code == 403
