"""Exposures and outcomes from the stream: counted once, whatever is redelivered; what cannot be is a dead letter."""

import json
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from catalog.arms import drawn_arm
from experiments.models import DeadLetter, UnitDay
from experiments.selectors.streams import stored_offsets
from experiments.services.streams import Advance
from streaming.experiment_messages import parse_report
from streaming.handlers import handle_batch
from streaming.messages import Message, PoisonError
from streaming.topics import Topic
from tests.experiments.trials import make_trial

pytestmark = pytest.mark.django_db
NOW = timezone.now()
EXPOSURE = Topic.EXPERIMENT_EXPOSURES.schema["examples"][0]
OUTCOME, RETURN = Topic.EXPERIMENT_OUTCOMES.schema["examples"]


@pytest.fixture
def trial():
    return make_trial("region", code="tea", metric="profit", started_at=NOW - timedelta(days=3))


def arm(trial, unit="north"):
    return ["control", "b"][drawn_arm(trial.salt, unit, [5_000, 5_000])]


def exposure(trial, event_id, **fields):
    told = {"event_id": event_id, "experiment": "tea", "arm": arm(trial), "occurred_at": NOW.isoformat()}
    return Topic.EXPERIMENT_EXPOSURES, EXPOSURE | told | fields


def outcome(trial, event_id, example=OUTCOME, **fields):
    told = {"event_id": event_id, "experiment": "tea", "arm": arm(trial), "occurred_at": NOW.isoformat()}
    return Topic.EXPERIMENT_OUTCOMES, example | told | fields


def handle(*payloads, begin=0):
    messages = [
        Message(topic, 0, begin + at, payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        for at, (topic, payload) in enumerate(payloads)
    ]
    advance = Advance(begin or None, begin + len(messages))
    return handle_batch(
        messages=messages, cluster="c", advances={("experiment_exposures", 0): advance}, now=NOW,
        rng=np.random.default_rng(0),
    )  # fmt: skip


def test_reports_become_facts_and_the_offsets_move_with_them(trial):
    assert handle(exposure(trial, "1"), outcome(trial, "2"), outcome(trial, "3", RETURN)) == Counter(
        experiment_counted=3
    )
    facts = UnitDay.objects.get()
    assert (facts.exposures, facts.orders, facts.units, facts.revenue) == (1, 1, 1, pytest.approx(9.5))
    assert stored_offsets(cluster="c") == {("experiment_exposures", 0): 3}


def test_an_order_that_is_taken_back_whole_is_one_less(trial):
    taken_back = outcome(trial, "3", RETURN, orders=-1, units=-2, revenue="-19.00", profit="-6.20")
    assert handle(exposure(trial, "1"), outcome(trial, "2"), taken_back) == Counter(experiment_counted=3)
    facts = UnitDay.objects.get()
    assert (facts.orders, facts.units, facts.revenue, facts.profit) == (0, 0, 0, 0)


def test_redelivered_reports_count_once(trial):
    handle(exposure(trial, "1"), outcome(trial, "2"))
    again = handle(exposure(trial, "1"), outcome(trial, "2"), begin=2)
    assert again == Counter(experiment_duplicate=2)
    assert UnitDay.objects.get().exposures == 1


def test_what_can_never_be_counted_is_a_dead_letter_with_its_reason_and_the_rest_is_counted(trial):
    other = {"control": "b", "b": "control"}[arm(trial)]
    make_trial("sku", code="by-sku")
    lacking = {name: value for name, value in outcome(trial, "8")[1].items() if name != "profit"}
    counts = handle(
        exposure(trial, "1"),
        exposure(trial, "2", experiment="gone"),
        exposure(trial, "3", experiment="by-sku"),
        exposure(trial, "4", arm=other),
        exposure(trial, "5", occurred_at="2020-01-01T00:00:00Z"),
        outcome(trial, "6", currency="EUR"),
        outcome(trial, "7", revenue="12,50"),
        (Topic.EXPERIMENT_OUTCOMES, lacking),
        (Topic.EXPERIMENT_OUTCOMES, b"oops"),
    )
    assert counts["experiment_counted"] == 1
    reasons = dict(DeadLetter.objects.values_list("offset", "reason"))
    assert reasons == {
        1: "unknown_experiment", 2: "events_not_wanted", 3: "crossover", 4: "outside_period", 5: "wrong_currency",
        6: "invalid", 7: "no_profit", 8: "not_json",
    }  # fmt: skip


def test_example_messages_are_read():
    for topic in (Topic.EXPERIMENT_EXPOSURES, Topic.EXPERIMENT_OUTCOMES):
        for at, example in enumerate(topic.schema["examples"]):
            report = parse_report(Message(topic, 0, at, json.dumps(example).encode()))
            assert (report.experiment, report.event.arm) == (example["experiment"], example["arm"])
            assert report.event.exposures == (topic is Topic.EXPERIMENT_EXPOSURES)


@pytest.mark.parametrize("field", ["revenue", "profit"])
@pytest.mark.parametrize("value", [12.5, "NaN", "1e9", "1.00000", "12345678901"])
def test_amounts_are_decimal_strings(field, value):
    with pytest.raises(PoisonError, match=field):
        parse_report(Message(Topic.EXPERIMENT_OUTCOMES, 0, 0, json.dumps(OUTCOME | {field: value}).encode()))
