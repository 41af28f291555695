"""A storefront that does not speak Kafka: it asks for a price and says what came of it."""

import json
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models.access import Scope
from catalog.models.listing import PriceSource
from experiments.models import OutboxBatch, PricingDecision
from experiments.selectors.arm_counts import arm_totals
from optimizer.models import ActivityIncrement
from streaming.topics import Topic
from tests.factories import make_api_key, make_listing, publish
from tests.streaming.test_handlers import handle

pytestmark = pytest.mark.django_db

DECISIONS, OUTCOMES = "/api/v1/decisions", "/api/v1/outcomes"


@pytest.fixture
def client():
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.DECISIONS_WRITE)}")
    return client


def demand(**fields):
    return {"sku": "A", "location": "london", "demand": 12, "supply": 20} | fields


def sent(topic):
    return [
        (key, json.loads(bytes(value)))
        for row in OutboxBatch.objects.filter(topic=str(topic)).order_by("pk")
        for key, value in zip(row.keys, row.values, strict=True)
    ]


def test_a_price_is_drawn_once_for_an_event_and_published(client):
    make_listing("A")
    event = str(uuid.uuid4())
    answers = [client.post(DECISIONS, demand(event_id=event), format="json") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    first, again = (answer.json() for answer in answers)
    assert first == again and first["event_id"] == event and 0 < first["propensity"] < 1
    row = PricingDecision.objects.get()
    assert (str(row.decision_id), row.price) == (first["decision_id"], Decimal(first["price"]))
    ((key, message),) = sent(Topic.PRICING_DECISIONS)
    Topic.PRICING_DECISIONS.validate(message)
    assert (key, message["decision_id"]) == ("web:A:london", first["decision_id"])
    assert ActivityIncrement.objects.get().kind == "view"


def test_an_outcome_reaches_the_bandit_through_the_topic_and_is_learned_once(client):
    make_listing("A")
    decision = client.post(DECISIONS, demand(), format="json").json()["decision_id"]
    arm, stranger = PricingDecision.objects.get().arm_id, str(uuid.uuid4())
    body = {"outcomes": [{"decision_id": each, "outcome": "purchased"} for each in (decision, stranger)]}
    for _ in range(2):
        answer = client.post(OUTCOMES, body, format="json")
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "unknown": [stranger]})
    assert arm_totals([arm]) == {arm: (0, 0)}
    messages = sent(Topic.PRICING_OUTCOMES)
    assert messages[0][0] == "web:A:london" and messages[0][1]["event_id"] == messages[1][1]["event_id"]
    for _, message in messages:
        Topic.PRICING_OUTCOMES.validate(message)
    handle(*[(Topic.PRICING_OUTCOMES, message) for _, message in messages])
    assert arm_totals([arm]) == {arm: (1, 0)}


def test_where_no_price_is_drawn_the_answer_says_why_and_what_to_show(client):
    publish(make_listing("A"), "9.00", source=PriceSource.OVERRIDE)
    answer = client.post(DECISIONS, demand(), format="json")
    assert (answer.status_code, answer.json()["reason"]) == (409, "override")
    assert "Show the price in force" in answer.json()["detail"]
    assert client.post(DECISIONS, demand(sku="NONE"), format="json").status_code == 404
    assert not PricingDecision.objects.exists() and not OutboxBatch.objects.exists()


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (DECISIONS, demand(demand=-1), "#/demand"),
        (DECISIONS, demand(location="visitor@example.com"), "#/location"),
        (DECISIONS, demand(event_id="seven"), "#/event_id"),
        (DECISIONS, {"sku": "A"}, "#/location"),
        (OUTCOMES, {"outcomes": []}, "#/outcomes"),
        (OUTCOMES, {"outcomes": [{"decision_id": str(uuid.uuid4()), "outcome": "maybe"}]}, "#/outcomes/0/outcome"),
        (OUTCOMES, {"outcomes": [{"decision_id": str(uuid.uuid4()), "outcome": "rejected"}] * 1_001}, "#/outcomes"),
    ],
)
def test_bad_input_names_the_field(client, path, body, pointer):
    answer = client.post(path, body, format="json")
    assert answer.status_code == 400 and answer["Content-Type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_an_outcome_may_say_when_it_happened(client):
    make_listing("A")
    decision = client.post(DECISIONS, demand(), format="json").json()["decision_id"]
    moment = (timezone.now() + timedelta(seconds=5)).isoformat()
    outcome = {"decision_id": decision, "outcome": "rejected", "occurred_at": moment}
    client.post(OUTCOMES, {"outcomes": [outcome]}, format="json")
    ((_, message),) = sent(Topic.PRICING_OUTCOMES)
    handle((Topic.PRICING_OUTCOMES, message))
    assert PricingDecision.objects.get().outcome_at.isoformat() == moment


def test_the_scope_is_asked_for():
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.PRICES_READ)}")
    assert client.post(DECISIONS, demand(), format="json").status_code == 403
    assert client.post(OUTCOMES, {"outcomes": []}, format="json").status_code == 403
