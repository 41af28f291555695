from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from catalog.models import PriceChange
from catalog.models.access import Scope
from optimizer.models import MarkdownPlan
from optimizer.services.replan_markdowns import replan_markdowns
from tests.factories import make_api_client, make_api_key, make_listing
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db

PLANS = "/api/v1/markdown-plans"


@pytest.fixture
def client():
    return make_api_client()


def body_for(listing=None, **fields):
    listing = listing or make_listing(inventory=200)
    make_fit(listing.channel, [listing])
    today = timezone.localdate()
    dates = {"starts_on": str(today), "ends_on": str(today + timedelta(days=27))}
    return {"sku": listing.product.sku, "penalty": "2.00", "reason": "Winter"} | dates | fields


def test_a_plan_is_previewed_started_read_and_cancelled(client):
    body = body_for()
    preview = client.post(f"{PLANS}/preview", body, format="json").json()
    assert Decimal(preview["price"]) < Decimal(preview["current_price"]) == 10
    assert preview["value"] > preview["value_keeping_price"]
    assert len(preview["forecast"]["stock"]) == 5
    assert not MarkdownPlan.objects.exists(), "nothing is saved"
    started = client.post(PLANS, body, format="json")
    assert started.status_code == 201
    replan_markdowns(now=timezone.now())
    read = client.get(started["Location"]).json()
    assert read["status"] == "active"
    assert [step["outcome"] for step in read["steps"]] == ["published"]
    assert Decimal(read["steps"][0]["price"]) == PriceChange.objects.get().price == Decimal(preview["price"])
    assert [plan["id"] for plan in client.get(PLANS).json()["results"]] == [read["id"]]
    assert client.post(f"{started['Location']}/cancel").json()["status"] == "cancelled"
    assert client.post(f"{started['Location']}/cancel").json()["status"] == "cancelled"


def test_the_same_idempotency_key_starts_one_plan(client):
    body = body_for()
    answers = [client.post(PLANS, body, format="json", HTTP_IDEMPOTENCY_KEY="a") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert MarkdownPlan.objects.count() == 1


def test_lists_have_pages(client):
    for _ in range(3):
        client.post(PLANS, body_for(), format="json")
    page = client.get(PLANS, {"page_size": 2}).json()
    assert len(page["results"]) == 2
    assert len(client.get(page["next"]).json()["results"]) == 1


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"ends_on": "2020-01-01"}, "#/ends_on"),
        ({"ends_on": str(timezone.localdate() + timedelta(days=26))}, "#/ends_on"),
        ({"penalty": "-1"}, "#/penalty"),
        ({"period": "hour"}, "#/period"),
        ({"sku": "no such"}, "#/sku"),
        ({"speed": 3}, "#/speed"),
        ({"reason": ""}, "#/reason"),
    ],
)
def test_bad_input_names_the_field(client, fields, pointer):
    for path in (PLANS, f"{PLANS}/preview"):
        response = client.post(path, body_for(**fields), format="json")
        assert response.status_code in {400, 422}
        assert response.json()["errors"][0]["pointer"] == pointer


def test_a_listing_without_cost_and_a_second_plan_are_refused(client):
    assert client.post(PLANS, body_for(make_listing(unit_cost=None)), format="json").status_code in {400, 422}
    body = body_for()
    client.post(PLANS, body, format="json")
    again = client.post(PLANS, body, format="json").json()
    assert "another plan is active" in again["errors"][0]["detail"]


def test_a_key_needs_the_scope_and_an_unknown_plan_is_not_found(client):
    assert client.get(f"{PLANS}/123").status_code == 404
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.PRICES_READ)}")
    assert client.post(PLANS, body_for(), format="json").status_code == 403
