from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Listing, PriceGroup, PriceGroupMember, PriceOverride
from catalog.models.access import Scope
from catalog.services.apply_overrides import apply_due_overrides
from tests.factories import make_api_key, make_channel, make_listing

pytestmark = pytest.mark.django_db

URL = "/api/v1/price-overrides"
YEAR = timezone.now().year + 1


@pytest.fixture
def client():
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.OVERRIDES_WRITE, Scope.PRICES_READ)}")
    return client


def body(**fields):
    return {
        "sku": "85123A",
        "price": "8.50",
        "reason": "Trade fair",
        "starts_at": f"{YEAR}-06-01 09:00",
        "ends_at": f"{YEAR}-06-01T17:00+01:00",
        "time_zone": "Europe/London",
    } | fields


def problems(response, status=400):
    assert response.status_code == status and response["Content-Type"] == "application/problem+json"
    return {error["pointer"].removeprefix("#"): error["detail"] for error in response.json().get("errors", [])}


def test_an_override_is_scheduled_read_listed_and_cancelled(client):
    make_listing("85123A")
    response = client.post(URL, body())
    assert response.status_code == 201
    answer = response.json()
    assert response["Location"] == f"{URL}/{answer['id']}"
    assert answer.pop("created_at")
    assert answer == {
        "id": answer["id"],
        "sku": "85123A",
        "channel": "web",
        "kind": "override",
        "price": "8.50",
        "currency": "GBP",
        "reason": "Trade fair",
        "author": None,
        "starts_at": f"{YEAR}-06-01T08:00:00Z",
        "ends_at": f"{YEAR}-06-01T16:00:00Z",
        "time_zone": "Europe/London",
        "status": "scheduled",
        "refused_because": None,
        "outcome": "",
        "started_at": None,
        "ended_at": None,
        "published_version": None,
        "replaced_price": None,
        "replaced_source": None,
        "broken_relations": [],
    }
    assert client.get(response["Location"]).json()["id"] == answer["id"]
    assert [each["id"] for each in client.get(URL, {"sku": "85123A"}).json()["results"]] == [answer["id"]]
    cancelled = client.delete(response["Location"])
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert cancelled.json()["outcome"] == "cancelled by the API key test"
    assert client.delete(response["Location"]).json() == cancelled.json()
    assert client.get(URL, {"status": "scheduled"}).json()["results"] == []


def test_without_a_start_it_is_in_force_and_cancelling_reverts_it(client):
    make_listing("85123A")
    answer = client.post(URL, body(starts_at=None)).json()
    assert (answer["status"], answer["replaced_price"], answer["replaced_source"]) == ("active", "10.00", "list_price")
    assert client.get("/api/v1/prices/85123A").json()["price"] == "8.50"
    client.delete(f"{URL}/{answer['id']}")
    assert client.get("/api/v1/prices/85123A").json()["price"] == "10.00"


def test_a_retry_with_the_same_key_schedules_once(client):
    make_listing("85123A")
    first, again = (client.post(URL, body(), HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2))
    assert (again.status_code, again.json()) == (201, first.json()) and PriceOverride.objects.count() == 1
    problems(client.post(URL, body(price="9.00"), HTTP_IDEMPOTENCY_KEY="k1"), 422)


@pytest.mark.parametrize(
    ("fields", "pointer", "words"),
    [
        ({"price": "cheap"}, "/price", "is no price"),
        ({"price": "8.505"}, "/price", "2 decimals"),
        ({"price": "5.00"}, "/price", "Below the unit cost"),
        ({"price": "10.00", "kind": "promotion"}, "/price", "Not below 10.00 GBP"),
        ({"kind": "sale"}, "/kind", "not a valid choice"),
        ({"reason": ""}, "/reason", "blank"),
        ({"sku": "NONE"}, "/sku", "No SKU 'NONE' in channel 'web'"),
        ({"channel": "shop"}, "/channel", "channels: web"),
        ({"starts_at": "2020-01-01 09:00"}, "/starts_at", "In the past"),
        ({"starts_at": f"{YEAR}-07-01"}, "/ends_at", "Not after the start"),
        ({"time_zone": "London"}, "/time_zone", "IANA name"),
        ({"time_zone": ""}, "/time_zone", "blank"),
        ({"starts_at": "2027-03-28 01:30"}, "/starts_at", "does not exist in Europe/London"),
        ({"starts_at": "2027-10-31 01:30", "ends_at": None}, "/starts_at", "comes twice in Europe/London"),
    ],
)
def test_bad_fields_are_named_with_their_cure(client, fields, pointer, words):
    make_listing("85123A")
    assert words in problems(client.post(URL, body(**fields)))[pointer]
    assert not PriceOverride.objects.exists()


def test_a_naive_time_without_a_zone_and_an_overlap_are_refused(client):
    make_listing("85123A")
    without = body()
    del without["time_zone"]
    assert "says no time zone" in problems(client.post(URL, without))["/starts_at"]
    client.post(URL, body())
    assert "Overlaps override" in problems(client.post(URL, body()))["/starts_at"]


def test_a_cost_that_rises_before_the_start_refuses_it_with_the_reason(client):
    make_listing("85123A")
    answer = client.post(URL, body(starts_at=(timezone.now() + timedelta(hours=1)).isoformat(), ends_at=None)).json()
    Listing.objects.update(unit_cost=9)
    apply_due_overrides(now=timezone.now() + timedelta(hours=1))
    answer = client.get(f"{URL}/{answer['id']}").json()
    assert (answer["status"], answer["refused_because"]) == ("refused", "loss_floor")
    problems(client.delete(f"{URL}/{answer['id']}"), 409)


def test_what_does_not_exist_is_not_found(client):
    make_channel()
    for number in (1, 10**30):
        problems(client.get(f"{URL}/{number}"), 404)
        problems(client.delete(f"{URL}/{number}"), 404)
    assert "give one of" in problems(client.get(URL, {"status": "new"}))["/status"]
    assert client.get(URL, {"sku": "\x00"}).json()["results"] == []


def test_the_scope_or_the_permission_is_needed_and_a_person_is_the_author():
    make_listing("85123A")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.PRICES_READ)}")
    problems(client.post(URL, body()), 403)
    problems(client.get(URL), 403)
    client = APIClient()
    client.force_login(User.objects.create_superuser("ann"))
    assert client.post(URL, body()).json()["author"] == "ann"


def test_the_answer_names_the_family_that_a_price_in_force_leaves_broken(client):
    family = PriceGroup.objects.create(kind="family", name="Mugs")
    for sku in ("85123A", "OTHER"):
        PriceGroupMember.objects.create(group=family, kind="family", product=make_listing(sku).product)
    answer = client.post(URL, {"sku": "85123A", "price": "8.50", "reason": "Trade fair"}).json()
    assert (answer["status"], answer["broken_relations"]) == ("active", ["Mugs"])
    (listed,) = client.get(URL).json()["results"]
    assert "broken_relations" not in listed
