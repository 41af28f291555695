import uuid

import pytest
from rest_framework.test import APIClient

from catalog.models.access import Scope
from catalog.models.listing import PriceSource
from optimizer.models import OptimizationRun
from optimizer.tasks import resume_stalled_runs
from tests.factories import make_api_client, make_api_key, make_channel, make_listing, publish
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db

RUNS = "/api/v1/optimization-runs"


@pytest.fixture
def client():
    return make_api_client()


@pytest.fixture
def sent(monkeypatch):
    """The messages that would go to the queue."""
    messages = []
    monkeypatch.setattr("optimizer.tasks.optimize_prices.delay", lambda *message: messages.append(message))
    return messages


def test_opening_a_run_sends_one_message_a_chunk_with_keys_only(client, sent, django_capture_on_commit_callbacks):
    listing = make_listing()
    make_fit(listing.channel, [listing])
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(RUNS, {"objective": "revenue"})
    run = OptimizationRun.objects.get()
    assert response.status_code == 202 and response["Location"] == f"{RUNS}/{run.pk}"
    assert response.json()["status"] == "open" and run.objective == "revenue"
    assert sent == [(str(run.pk), listing.pk, listing.pk)]
    assert client.get(response["Location"]).json()["progress"] == {"chunks": 1, "done": 0, "published": 0}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"objective": "fame"}, "#/objective"),
        ({"channel": "shop"}, "#/channel"),
        ({"channel": "no such slug"}, "#/channel"),
        ({"publish": "perhaps"}, "#/publish"),
        ({"pubish": False}, "#/pubish"),
    ],
)
def test_an_invalid_run_names_the_field(client, sent, body, pointer):
    make_channel()
    response = client.post(RUNS, body)
    assert response.status_code == 400 and not OptimizationRun.objects.exists()
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_without_a_fit_the_answer_names_the_cure(client, sent):
    make_listing()
    response = client.post(RUNS, {})
    assert response.status_code == 409 and "fit_elasticities" in response.json()["detail"]


def test_a_key_without_the_scope_may_not_open_a_run(sent):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.PRICES_READ)}")
    assert client.post(RUNS, {}).status_code == 403


def test_an_unknown_run_is_not_found(client):
    for path in ("", "/results", "/errors"):
        response = client.get(f"{RUNS}/{uuid.uuid4()}{path}")
        assert response.status_code == 404 and response["Content-Type"] == "application/problem+json"


def test_a_key_may_be_used_again_by_another_caller(client, sent):
    listing = make_listing()
    make_fit(listing.channel, [listing])
    first = client.post(RUNS, {}, headers={"Idempotency-Key": "tonight"})
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key()}")
    second = client.post(RUNS, {}, headers={"Idempotency-Key": "tonight"})
    assert first.json()["id"] != second.json()["id"]


def test_an_overlong_idempotency_key_is_refused(client, sent):
    assert client.post(RUNS, {}, headers={"Idempotency-Key": "k" * 201}).status_code == 400


def test_a_refused_request_may_be_corrected_under_the_same_key(client, sent):
    listing = make_listing()
    make_fit(listing.channel, [listing])
    assert client.post(RUNS, {"objective": "fame"}, headers={"Idempotency-Key": "a"}).status_code == 400
    assert client.post(RUNS, {"objective": "profit"}, headers={"Idempotency-Key": "a"}).status_code == 202


def test_what_a_lost_message_left_undone_is_sent_again(client, sent, django_capture_on_commit_callbacks):
    listing = make_listing()
    make_fit(listing.channel, [listing])
    with django_capture_on_commit_callbacks(execute=True):
        client.post(RUNS, {})
    sent.clear()
    resume_stalled_runs()
    assert sent == [(str(OptimizationRun.objects.get().pk), listing.pk, listing.pk)]


def test_a_list_price_is_explained_as_such(client):
    listing = make_listing(sku="85123A")
    body = client.get("/api/v1/prices/85123A/explanation").json()
    assert (body["change"], body["why"], body["replay"], body["latest_run"]) == (None, {}, None, None)
    publish(listing, "10.00", source=PriceSource.LIST_PRICE)
    body = client.get("/api/v1/prices/85123A/explanation").json()
    assert (body["change"]["source"], body["change"]["price"], body["replay"]) == ("list_price", "10.00", None)


def test_without_the_queue_the_run_is_open_all_the_same(client, monkeypatch):
    def away(*message):
        raise OSError("connection refused")

    monkeypatch.setattr("optimizer.tasks.optimize_prices.delay", away)
    listing = make_listing()
    make_fit(listing.channel, [listing])
    assert client.post(RUNS, {}).status_code == 202
    assert OptimizationRun.objects.get().status == "open"


def test_a_band_too_wide_for_one_request_is_not_replayed_but_says_so(client):
    listing = make_listing(sku="85123A", list_price=1_000_000, unit_cost=1)
    recorded = {
        "objective": "profit", "current_price_ticks": 100_000_000, "cost_units": 10_000, "demand": 1.0,
        "elasticity_mean": -2.0, "elasticity_sd": 0.1, "guardrails": {},
    }  # fmt: skip
    publish(listing, "1000001", explanation={"replay": recorded})
    replay = client.get("/api/v1/prices/85123A/explanation").json()["replay"]
    assert replay["price"] is None and replay["matches"] is None and "too many" in replay["note"]
