"""The topics' schemas are a contract: their examples fit them, we read what they allow and write what they ask for."""

import json
import uuid
from datetime import UTC, datetime

import pytest
from django.utils import timezone
from fastjsonschema import JsonSchemaValueException
from jsonschema import Draft202012Validator

from experiments.services.decide_prices import OUTCOME_WINDOW, DecidedPrice, DemandEvent
from experiments.services.record_outcomes import Outcome
from streaming.messages import (
    DEAD_LETTER_BYTES,
    Message,
    PoisonError,
    dead_letter_message,
    decision_message,
    parse_demand_event,
    parse_outcome,
)
from streaming.topics import SCHEMAS, Topic

EVENT, OUTCOME = Topic.DEMAND_EVENTS.schema["examples"][0], Topic.PRICING_OUTCOMES.schema["examples"][0]


def message(topic, payload):
    value = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(topic, partition=0, offset=17, value=value)


@pytest.mark.parametrize("topic", Topic)
def test_every_topic_has_a_valid_schema_with_examples_that_fit(topic):
    Draft202012Validator.check_schema(topic.schema)
    assert topic.schema["examples"]
    plain = Draft202012Validator(topic.schema)
    for example in topic.schema["examples"]:
        topic.validate(example)
        assert plain.is_valid(example)
        for name in topic.schema["required"]:
            lacking = {key: value for key, value in example.items() if key != name}
            assert not plain.is_valid(lacking)
            with pytest.raises(JsonSchemaValueException, match=name):
                topic.validate(lacking)


def test_every_schema_file_belongs_to_a_topic():
    assert {path.name for path in SCHEMAS.iterdir()} == {f"{topic}.v1.json" for topic in Topic}


def test_topics_are_named_with_the_deployments_prefix(settings):
    settings.KAFKA_TOPIC_PREFIX = "staging."
    assert Topic.DEMAND_EVENTS.deployed_name == "staging.demand_events"


def test_example_messages_are_read():
    event = parse_demand_event(message(Topic.DEMAND_EVENTS, EVENT))
    occurred_at = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    assert event == DemandEvent(uuid.UUID(EVENT["event_id"]), "web", "85123A", "london", 42, 30, occurred_at)
    outcome = parse_outcome(message(Topic.PRICING_OUTCOMES, OUTCOME))
    assert isinstance(outcome, Outcome)
    assert (str(outcome.decision_id), outcome.purchased) == (OUTCOME["decision_id"], True)
    assert outcome.occurred_at.isoformat() == "2026-11-23T09:31:12+00:00"


def test_fields_that_a_later_producer_adds_do_no_harm():
    assert parse_demand_event(message(Topic.DEMAND_EVENTS, EVENT | {"weather": "rain"}))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not_json"),
        (b"oops", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[]", "invalid"),
        (b"null", "invalid"),
        (EVENT | {"schema_version": 2}, "invalid"),
        (EVENT | {"event_id": "no-uuid"}, "invalid"),
        (EVENT | {"demand": -1}, "invalid"),
        (EVENT | {"demand": 10**30}, "invalid"),
        (EVENT | {"supply": "7"}, "invalid"),
        (EVENT | {"supply": float("nan")}, "invalid"),
        (EVENT | {"location": "visitor@example.com"}, "invalid"),
        (EVENT | {"occurred_at": "2026-02-30T00:00:00Z"}, "invalid"),
        (EVENT | {"occurred_at": "0001-01-01T00:00:00+14:00"}, "invalid"),
        (EVENT | {"occurred_at": "2026-11-23T09:30:00"}, "invalid"),
    ],
)
def test_poison_is_refused_with_its_reason(payload, reason):
    with pytest.raises(PoisonError) as poison:
        parse_demand_event(message(Topic.DEMAND_EVENTS, payload))
    assert poison.value.reason == reason
    assert poison.value.detail


def test_our_decisions_fit_their_schema():
    now = timezone.now()
    event = parse_demand_event(message(Topic.DEMAND_EVENTS, EVENT))
    decided = DecidedPrice(uuid.uuid4(), event, "high", "2.80", "2.55", "GBP", 0.01, now, now + OUTCOME_WINDOW)
    envelope = decision_message(decided)
    Topic.PRICING_DECISIONS.validate(json.loads(envelope.value))
    assert envelope.key == f"{decided.event.channel}:{decided.event.sku}:{decided.event.location}"


@pytest.mark.parametrize("payload", [b"oops", b"\x00\xff", b"x" * 1_000_000])
def test_our_dead_letters_fit_their_schema_and_the_broker(payload):
    letter = message(Topic.DEMAND_EVENTS, payload).unusable("not_json", "a \0 and a \ud800")
    envelope = dead_letter_message(letter, timezone.now())
    Topic.DEAD_LETTERS.validate(json.loads(envelope.value))
    assert json.loads(envelope.value)["truncated"] == (len(payload) > DEAD_LETTER_BYTES)
    assert len(envelope.value) < 100_000
