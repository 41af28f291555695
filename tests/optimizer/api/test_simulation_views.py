import uuid
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from catalog.models import Category, Listing, PriceChange
from catalog.models.access import Scope
from optimizer.assumptions import CostChange
from optimizer.models import Simulation
from tests.factories import make_api_client, make_api_key, make_channel, make_listing
from tests.optimizer.factories import make_fit
from tests.optimizer.simulations import compute, computed

pytestmark = pytest.mark.django_db

SIMULATIONS = "/api/v1/simulations"


@pytest.fixture
def client():
    return make_api_client()


@pytest.fixture
def sent(monkeypatch):
    """The messages that would go to the queue."""
    messages = []
    monkeypatch.setattr("optimizer.tasks.optimize_prices.delay", lambda *message: messages.append(message))
    return messages


def test_a_simulation_is_opened_computed_compared_and_promoted(client, sent, django_capture_on_commit_callbacks):
    category = Category.objects.create(code="mugs", name="Mugs")
    mug, costless = make_listing("MUG", category=category), make_listing("COSTLESS", category=category, unit_cost=None)
    make_fit(mug.channel, [mug, costless, make_listing("OTHER")])
    body = {"name": "Mugs, 5 % at most", "guardrails": {"max_change": "0.05"}, "categories": ["mugs"]}
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(SIMULATIONS, body)
    path = response["Location"]
    assert response.status_code == 202 and response.json()["status"] == "computing" and "ETag" not in response
    assert len(sent) == 1
    compute(Simulation.objects.get())

    response = client.get(path)
    shown = response.json()
    assert shown["status"] == "computed" and shown["assumptions"] == {
        "guardrails": {"max_change": "0.0500"}, "categories": ["mugs"],
    }  # fmt: skip
    assert response["ETag"] == f'"{shown["fingerprint"]}"'
    rows = {row["sku"]: row for row in client.get(f"{path}/diff").json()["results"]}
    assert set(rows) == {"MUG", "COSTLESS"} and rows["COSTLESS"]["reason"] == "missing_cost"
    diff = rows["MUG"]
    assert (diff["live_price"], diff["simulated_price"], diff["price_moved"]) == ("10.00", "10.50", False)
    assert diff["change"] == pytest.approx(0.05) and diff["binding_rule"] == "max_change"
    for change in (diff["profit_change"], diff["revenue_change"]):
        assert change["low"] < change["mean"] < change["high"]

    assert client.post(f"{path}/promote").status_code == 428
    assert client.post(f"{path}/promote", headers={"If-Match": '"another"'}).status_code == 412
    assert client.post(f"{path}/promote", headers={"If-Match": f"W/{response['ETag']}"}).status_code == 412
    assert not PriceChange.objects.exists()
    for _ in range(2):
        answer = client.post(f"{path}/promote", headers={"If-Match": response["ETag"]})
        assert answer.status_code == 200 and answer.json()["status"] == "promoted"
    assert PriceChange.objects.get().price == Decimal("10.50")
    assert [row["name"] for row in client.get(SIMULATIONS).json()["results"]] == ["Mugs, 5 % at most"]


def test_where_the_world_moved_the_answer_says_what_moved(client):
    moving = make_listing("85123A")
    simulation = computed(moving, make_listing())
    Listing.objects.filter(pk=moving.pk).update(unit_cost=7)
    response = client.post(
        f"{SIMULATIONS}/{simulation.run_id}/promote", headers={"If-Match": f'"{simulation.fingerprint}"'}
    )
    body = response.json()
    assert response.status_code == 412 and body["type"] == "urn:pricing:problem:precondition-failed"
    assert body["moved"] == {"count": 1, "examples": [{"sku": "85123A", "reason": "unit_cost"}]}
    assert not PriceChange.objects.exists()


def test_what_the_gate_refuses_is_listed_and_nothing_published(client):
    simulation = computed(
        make_listing("85123A", unit_cost=Decimal("9.00")),
        cost_changes=(CostChange(Decimal("-0.5")),),
        objective="market_share",
    )
    response = client.post(
        f"{SIMULATIONS}/{simulation.run_id}/promote", headers={"If-Match": f'"{simulation.fingerprint}"'}
    )
    assert response.status_code == 409
    assert response.json()["refused"] == {"count": 1, "examples": [{"sku": "85123A", "reason": "loss_floor"}]}
    assert not PriceChange.objects.exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": "x" * 121}, "#/name"),
        ({"name": "x", "objective": "fame"}, "#/objective"),
        ({"name": "x", "channel": "shop"}, "#/channel"),
        ({"name": "x", "guardrails": {"min_margin": "much"}}, "#/guardrails/min_margin"),
        ({"name": "x", "guardrails": {"min_margin": "0.99"}}, "#/guardrails/min_margin"),
        ({"name": "x", "guardrails": {"floor": "1"}}, "#/guardrails/floor"),
        ({"name": "x", "guardrails": []}, "#/guardrails"),
        ({"name": "x", "cost_changes": [{"change": "-2"}]}, "#/cost_changes/0/change"),
        ({"name": "x", "cost_changes": [{"change": "0.1", "category": "nosuch"}]}, "#/cost_changes"),
        ({"name": "x", "categories": ["nosuch"]}, "#/categories"),
        ({"name": "x", "skus": ["NOSUCH"]}, "#/skus"),
        ({"name": "x", "skus": "85123A"}, "#/skus"),
        ({"name": "x", "guardrail": {}}, "#/guardrail"),
    ],
)
def test_an_invalid_simulation_names_the_field(client, sent, body, pointer):
    listing = make_listing()
    make_fit(listing.channel, [listing])
    response = client.post(SIMULATIONS, body)
    assert response.status_code == 400 and not Simulation.objects.exists()
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_a_retry_opens_no_second_simulation(client, sent):
    listing = make_listing()
    make_fit(listing.channel, [listing])
    answers = [client.post(SIMULATIONS, {"name": "x"}, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"] and Simulation.objects.count() == 1


def test_without_a_fit_the_answer_names_the_cure(client, sent):
    make_channel()
    response = client.post(SIMULATIONS, {"name": "x"})
    assert response.status_code == 409 and "fit_elasticities" in response.json()["detail"]


def test_an_unknown_simulation_is_not_found(client):
    assert client.get(f"{SIMULATIONS}/{uuid.uuid4()}").status_code == 404
    assert client.get(f"{SIMULATIONS}/{uuid.uuid4()}/diff").status_code == 404
    promote = client.post(f"{SIMULATIONS}/{uuid.uuid4()}/promote", headers={"If-Match": "*"})
    assert promote.status_code == 404


def test_a_key_without_the_scope_may_not_simulate_or_promote():
    simulation = computed(make_listing())
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.PRICES_READ)}")
    promote = client.post(f"{SIMULATIONS}/{simulation.run_id}/promote", headers={"If-Match": "*"})
    assert promote.status_code == client.post(SIMULATIONS, {"name": "x"}).status_code == 403
    assert not PriceChange.objects.exists()
