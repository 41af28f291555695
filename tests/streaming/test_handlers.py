import json
import uuid
from collections import Counter

import numpy as np
import pytest
from django.db import OperationalError
from django.db.models import Sum
from django.utils import timezone

from experiments.models import DeadLetter, OutboxBatch, PricingDecision
from experiments.selectors.arm_counts import arm_totals
from experiments.selectors.streams import stored_offsets
from experiments.services.streams import Advance, StreamMovedError
from optimizer.models import ActivityIncrement
from streaming import handlers
from streaming.messages import Message
from streaming.topics import Topic
from tests.factories import make_listing

pytestmark = pytest.mark.django_db
NOW = timezone.now()
SUMS = {name: Sum(name) for name in ("views", "requests", "units", "revenue")}
EVENT, OUTCOME = Topic.DEMAND_EVENTS.schema["examples"][0], Topic.PRICING_OUTCOMES.schema["examples"][0]


def event(**fields):
    return Topic.DEMAND_EVENTS, EVENT | {"event_id": str(uuid.uuid4()), "sku": "A"} | fields


def outcome(decision, kind="purchased"):
    fields = {"event_id": str(uuid.uuid4()), "decision_id": str(decision), "occurred_at": NOW.isoformat()}
    return Topic.PRICING_OUTCOMES, OUTCOME | fields | {"outcome": kind}


def handle(*payloads, expected=None, replay_of=None):
    messages = [
        Message(topic, 0, offset, payload if isinstance(payload, bytes) else json.dumps(payload).encode(), replay_of)
        for offset, (topic, payload) in enumerate(payloads)
    ]
    begin = expected or 0
    return handlers.handle_batch(
        messages=messages,
        cluster="c",
        advances={("demand_events", 0): Advance(expected, begin + len(messages))},
        now=NOW,
        rng=np.random.default_rng(0),
    )


def test_a_demand_event_becomes_a_decision_and_a_message():
    make_listing("A")
    assert handle(event()) == Counter(decided=1)
    message = OutboxBatch.objects.get()
    assert message.topic == "pricing_decisions"
    assert message.keys == ["web:A:london"]
    Topic.PRICING_DECISIONS.validate(json.loads(bytes(message.values[0])))
    assert stored_offsets(cluster="c") == {("demand_events", 0): 1}


def test_an_outcome_moves_its_posterior_once():
    make_listing("A")
    handle(event())
    decision = PricingDecision.objects.get()
    counts = handle(outcome(decision.decision_id), outcome(decision.decision_id), expected=1)
    assert counts == Counter(learned=1, duplicate_outcomes=1)
    assert arm_totals([decision.arm_id]) == {decision.arm_id: (1, 0)}


def test_poison_goes_to_the_dead_letters_with_its_reason_and_the_rest_is_done():
    make_listing("A")
    counts = handle(event(), (Topic.DEMAND_EVENTS, b"oops"), event(sku="GONE"), outcome(uuid.uuid4()), event(demand=-1))
    assert counts == Counter(
        decided=1, dead_not_json=1, dead_unknown_listing=1, dead_unknown_decision=1, dead_invalid=1
    )
    reasons = dict(DeadLetter.objects.values_list("offset", "reason"))
    assert reasons == {1: "not_json", 2: "unknown_listing", 3: "unknown_decision", 4: "invalid"}
    letters = [bytes(value) for row in OutboxBatch.objects.filter(topic="pricing_dead_letters") for value in row.values]
    assert len(letters) == 4
    for letter in letters:
        Topic.DEAD_LETTERS.validate(json.loads(letter))


def test_text_that_the_database_cannot_hold_is_one_dead_letter():
    make_listing("A")
    assert handle(event(), event(sku="\ud800"), event(sku="\0"), event()) == Counter(decided=2, dead_failed=2)


def test_one_message_that_fails_unexpectedly_does_not_take_the_batch_with_it(monkeypatch):
    make_listing("A")
    decide = handlers.decide_prices

    def refuse_a_demand_of_13(*, events, **rest):
        if any(each.demand == 13 for each in events):
            raise ZeroDivisionError("thirteen")
        return decide(events=events, **rest)

    monkeypatch.setattr(handlers, "decide_prices", refuse_a_demand_of_13)
    assert handle(event(), event(demand=13), event()) == Counter(decided=2, dead_failed=1)
    assert DeadLetter.objects.get().detail == "ZeroDivisionError: thirteen"
    assert stored_offsets(cluster="c") == {("demand_events", 0): 3}


def test_a_database_that_goes_away_leaves_nothing_half_done(monkeypatch):
    make_listing("A")

    def go_away(**rest):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(handlers, "record_outcomes", go_away)
    with pytest.raises(OperationalError):
        handle(event(), outcome(uuid.uuid4()))
    assert not PricingDecision.objects.exists()
    assert not DeadLetter.objects.exists()
    assert stored_offsets(cluster="c") == {}


def test_a_batch_that_another_process_has_done_is_refused_whole():
    make_listing("A")
    handle(event(), event())
    with pytest.raises(StreamMovedError):
        handle(event(), expected=None)
    assert PricingDecision.objects.count() == 2


def test_events_and_purchases_become_features_in_the_same_transaction():
    make_listing("A")
    handle(event(demand=5), event(demand=7))
    bought, left = PricingDecision.objects.order_by("pk")
    handle(outcome(bought.decision_id), outcome(left.decision_id, "rejected"), expected=2)
    assert ActivityIncrement.objects.aggregate(**SUMS) == {
        "views": 2, "requests": 12, "units": 1, "revenue": bought.price,
    }  # fmt: skip
    seen = ActivityIncrement.objects.filter(kind="view").first()
    assert seen.happened_at.isoformat() == "2026-11-23T09:30:00+00:00" and seen.known_at == NOW


def test_what_is_delivered_again_is_counted_once():
    make_listing("A")
    make_listing("HELD", unit_cost=None)
    events = [event(), event(sku="HELD"), (Topic.DEMAND_EVENTS, b"oops"), event(sku="GONE")]
    handle(*events, *events)
    handle(*events, expected=8)
    decision = PricingDecision.objects.get()
    handle(outcome(decision.decision_id), outcome(decision.decision_id), expected=12)
    handle(outcome(decision.decision_id), outcome(decision.decision_id, "rejected"), expected=14)
    assert ActivityIncrement.objects.aggregate(**SUMS) == {
        "views": 2, "requests": 84, "units": 1, "revenue": decision.price,
    }  # fmt: skip


def test_a_message_that_fails_leaves_no_features_and_the_others_theirs(monkeypatch):
    make_listing("A")
    add = handlers.add_activity

    def refuse_a_demand_of_13(*, views, **rest):
        if any(view.requests == 13 for view in views):
            raise ZeroDivisionError("thirteen")
        return add(views=views, **rest)

    monkeypatch.setattr(handlers, "add_activity", refuse_a_demand_of_13)
    assert handle(event(), event(demand=13), event()) == Counter(decided=2, dead_failed=1)
    assert ActivityIncrement.objects.aggregate(**SUMS)["views"] == PricingDecision.objects.count() == 2


def test_a_batch_that_is_refused_leaves_no_features():
    make_listing("A")
    handle(event(), event())
    with pytest.raises(StreamMovedError):
        handle(event(), expected=None)
    assert ActivityIncrement.objects.get().views == 2
