import uuid

import pytest
from rest_framework.test import APIClient

from catalog.models import Listing, PriceChange
from catalog.models.access import Scope
from catalog.models.listing import PriceSource
from tests.factories import make_api_client, make_api_key, make_listing, publish
from tests.optimizer.test_runs import finished

pytestmark = pytest.mark.django_db

RUNS = "/api/v1/optimization-runs"


@pytest.fixture
def client():
    return make_api_client()


def test_a_run_is_rolled_back_and_every_price_accounted_for(client):
    restored, changed, risen = make_listing("RESTORED"), make_listing("CHANGED"), make_listing("RISEN")
    run = finished(restored, changed, risen)
    changed.refresh_from_db()
    publish(changed, "9.50", source=PriceSource.OVERRIDE)
    Listing.objects.filter(pk=risen.pk).update(unit_cost=9)
    url = f"{RUNS}/{run.pk}/rollback"
    body = client.post(url, {"reason": "wrong costs"}).json()
    assert (body["restored"], body["changed_since"], body["refused"]) == (1, 1, 1)
    assert body["run_id"] == str(run.pk) and body["reason"] == "wrong costs"
    rows = {row["sku"]: row for row in client.get(url).json()["results"]}
    assert rows["RESTORED"]["prior_price"] == "10.00" and rows["RESTORED"]["outcome"] == "restored"
    assert rows["CHANGED"]["outcome"] == "changed_since"
    assert (rows["RISEN"]["outcome"], rows["RISEN"]["reason"]) == ("refused", "min_margin")
    refused = client.get(url, {"outcome": "refused"}).json()
    assert [row["sku"] for row in refused["results"]] == ["RISEN"] and refused["next"] is None
    assert client.get("/api/v1/prices/RESTORED").json()["source"] == "rollback"


def test_a_retry_gets_the_first_answer(client):
    run = finished(make_listing())
    answers = [
        client.post(f"{RUNS}/{run.pk}/rollback", {"reason": "wrong"}, headers={"Idempotency-Key": "a"})
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json() and answers[1]["Idempotent-Replayed"] == "true"
    assert PriceChange.objects.count() == 2


def test_the_pages_of_the_result_list_hold_every_price(client):
    run = finished(*[make_listing() for _ in range(5)])
    url = f"{RUNS}/{run.pk}/rollback"
    client.post(url, {"reason": "wrong"})
    seen, page = [], f"{url}?page_size=2"
    while page:
        body = client.get(page).json()
        seen += [row["sku"] for row in body["results"]]
        page = body["next"]
    assert len(seen) == len(set(seen)) == 5


def test_a_run_that_published_nothing_is_a_conflict(client):
    run = finished(make_listing(), publishes=False)
    response = client.post(f"{RUNS}/{run.pk}/rollback", {"reason": "wrong"})
    assert response.status_code == 409 and "changed no price" in response.json()["detail"]
    assert client.get(f"{RUNS}/{run.pk}/rollback").status_code == 404


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 301}])
def test_a_rollback_without_a_reason_names_the_field(client, body):
    run = finished(make_listing())
    response = client.post(f"{RUNS}/{run.pk}/rollback", body)
    assert response.status_code == 400 and response.json()["errors"][0]["pointer"] == "#/reason"


def test_an_unknown_run_or_outcome_is_told(client):
    assert client.post(f"{RUNS}/{uuid.uuid4()}/rollback", {"reason": "wrong"}).status_code == 404
    run = finished(make_listing())
    client.post(f"{RUNS}/{run.pk}/rollback", {"reason": "wrong"})
    assert client.get(f"{RUNS}/{run.pk}/rollback", {"outcome": "lost"}).status_code == 400


def test_a_key_without_the_scope_may_not_roll_back():
    run = finished(make_listing())
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.PRICES_READ)}")
    assert client.post(f"{RUNS}/{run.pk}/rollback", {"reason": "wrong"}).status_code == 403
    assert PriceChange.objects.count() == 1
