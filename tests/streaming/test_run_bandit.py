"""The process, on a real broker and a real database: killed in the middle, it still counts everything once."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from catalog.arms import drawn_arm
from experiments.models import (
    ArmCount,
    ArmDay,
    BanditArm,
    DeadLetter,
    OutboxBatch,
    PricingDecision,
    StreamOffset,
    UnitDay,
    UnitState,
)
from experiments.selectors.arm_counts import arm_totals
from experiments.selectors.streams import outbox_size
from experiments.services.streams import Envelope, enqueue_messages
from optimizer.features.online import stored_records
from optimizer.features.rows import PLACE
from optimizer.models import ActivityIncrement
from pricing_site.embedded import mock_broker
from streaming.kafka_settings import client_settings
from streaming.topics import Topic
from tests.experiments.trials import make_trial
from tests.factories import make_listing
from tests.locks import somebody_waits_for_a_lock
from tests.streaming.test_stream_metrics import free_port, get

pytestmark = pytest.mark.django_db(transaction=True)
SESSION_SECONDS = 4  # the development broker takes 3 s to form a group


@pytest.fixture(autouse=True)
def own_topics(settings, monkeypatch):
    settings.KAFKA_TOPIC_PREFIX = f"{settings.KAFKA_TOPIC_PREFIX}{uuid.uuid4().hex[:6]}."
    monkeypatch.setenv("KAFKA_TOPIC_PREFIX", settings.KAFKA_TOPIC_PREFIX)


@pytest.fixture
def bandit(tmp_path):
    """Start the process, as often as asked; kill what is left of it at the end."""
    started, log = [], tmp_path / "log"

    def start(*command, **environment):
        command = command or ("run_bandit", "--seed", "1", "--session-timeout", str(SESSION_SECONDS))
        database = connection.settings_dict
        address = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
        process = subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=settings.BASE_DIR,
            env=os.environ | {"DATABASE_URL": f"postgres://{address}"} | environment,
            stdout=log.open("a"),
            stderr=subprocess.STDOUT,
        )
        process.log = log
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    print(log.read_text())  # pytest shows it where the test failed


@pytest.fixture
def producer():
    producer = KafkaProducer(**client_settings())
    yield producer
    producer.close(timeout=1)


def produce(producer, topic, payloads, key):
    for payload in payloads:
        value = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        producer.send(topic.deployed_name, value=value, key=b"" if value is payload else payload[key].encode())
    producer.flush(timeout=5)


def wait_for(condition, seconds=60, every=0.05):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every)


def read_all(topic):
    """Return every message of a topic."""
    consumer = KafkaConsumer(**client_settings(), fetch_max_wait_ms=50)
    partitions = [TopicPartition(topic.deployed_name, p) for p in consumer.partitions_for_topic(topic.deployed_name)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    found = []
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=200).values():
            found += [json.loads(record.value) for record in records]
    consumer.close(timeout_ms=500)
    return found


def demand_events(number):
    rng = np.random.default_rng(3)
    now = timezone.now().isoformat()
    return [
        {
            "schema_version": 1,
            "event_id": str(uuid.UUID(bytes=rng.bytes(16))),
            "occurred_at": now,
            "channel": "web",
            "sku": f"S{rng.integers(3)}",
            "location": f"shop-{rng.integers(2)}",
            "demand": int(rng.integers(40)),
            "supply": 20,
        }
        for _ in range(number)
    ]


def outcomes_of(decisions):
    rng = np.random.default_rng(4)
    return [
        {
            "schema_version": 1,
            "event_id": str(uuid.UUID(bytes=rng.bytes(16))),
            "decision_id": decision["decision_id"],
            "outcome": "purchased" if rng.random() < 0.3 else "rejected",
            "occurred_at": (timezone.now() + timedelta(seconds=1)).isoformat(),
        }
        for decision in decisions
    ]


def test_killed_in_the_middle_it_decides_once_and_learns_exactly_what_happened(bandit, producer):
    for number in range(3):
        make_listing(f"S{number}")
    events = demand_events(1_600)
    port = free_port()
    relay = bandit("relay_outbox")
    process = bandit(STREAM_METRICS_PORT=str(port))
    # Once more each, in another order; and poison between.
    produce(producer, Topic.DEMAND_EVENTS, [*events[:800], b"oops", *events[:400]], "event_id")
    wait_for(lambda: PricingDecision.objects.count() >= 800)
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    assert 'streaming_dead_letters_total{reason="not_json"} 1.0' in get(port, "/metrics")[1]
    first = list(PricingDecision.objects.values_list("decision_id", flat=True))
    early = outcomes_of([{"decision_id": str(each)} for each in first])
    with transaction.atomic():
        # Whoever learns waits for us at its last step: the kill falls into the middle of its transaction.
        assert list(ArmCount.objects.select_for_update())
        produce(producer, Topic.PRICING_OUTCOMES, early + early[::-1], "decision_id")
        produce(producer, Topic.DEMAND_EVENTS, events, "event_id")
        wait_for(somebody_waits_for_a_lock)
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    assert not PricingDecision.objects.exclude(state="waiting").exists(), "the kill came too late"

    process = bandit()
    wait_for(lambda: PricingDecision.objects.count() == 1_600 and not OutboxBatch.objects.exists())
    wait_for(lambda: PricingDecision.objects.exclude(state="waiting").count() == len(first))
    decisions = read_all(Topic.PRICING_DECISIONS)
    unique = {decision["decision_id"]: decision for decision in decisions}
    assert unique.keys() == {str(pk) for pk in PricingDecision.objects.values_list("decision_id", flat=True)}
    assert {decision["event_id"] for decision in unique.values()} == {event["event_id"] for event in events}
    known = {outcome["decision_id"] for outcome in early}
    late = outcomes_of([decision for key, decision in unique.items() if key not in known])
    produce(producer, Topic.PRICING_OUTCOMES, late + early[:200], "decision_id")
    wait_for(lambda: not PricingDecision.objects.filter(state="waiting").exists())

    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert time.monotonic() - began < 30
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(30) == 0

    price_of = {str(row.decision_id): row.arm_id for row in PricingDecision.objects.all()}
    purchases, rejections = Counter(), Counter()
    for outcome in early + late:
        (purchases if outcome["outcome"] == "purchased" else rejections)[price_of[outcome["decision_id"]]] += 1
    for arm, counts in arm_totals(BanditArm.objects.values_list("pk", flat=True)).items():
        assert counts == (purchases[arm], rejections[arm])
    paid = PricingDecision.objects.filter(state="purchased").values_list("price", flat=True)
    counted = ActivityIncrement.objects.aggregate(Sum("views"), Sum("requests"), Sum("units"), Sum("revenue"))
    assert list(counted.values()) == [1_600, sum(each["demand"] for each in events), purchases.total(), sum(paid)]
    online = stored_records(channel="web", skus=[f"S{number}" for number in range(3)])
    assert not np.isnan(online[:, PLACE["activity_at"]]).any()
    assert list(DeadLetter.objects.values_list("reason", flat=True)) == ["not_json"]
    assert [letter["reason"] for letter in read_all(Topic.DEAD_LETTERS)] == ["not_json"]
    assert not StreamOffset.objects.filter(lost__gt=0).exists()
    assert process.log.read_text().rstrip().endswith("Stopped.")


def test_killed_in_the_middle_reports_of_an_experiment_count_once(bandit, producer):
    make_listing("S0")
    trial = make_trial("region", code="tea", started_at=timezone.now() - timedelta(days=1))
    arm_of = {f"r{at}": ["control", "b"][drawn_arm(trial.salt, f"r{at}", [5_000, 5_000])] for at in range(8)}
    reports = [
        {
            "schema_version": 1,
            "event_id": f"e{number}",
            "experiment": "tea",
            "unit": f"r{number % 8}",
            "arm": arm_of[f"r{number % 8}"],
            "occurred_at": timezone.now().isoformat(),
        }
        for number in range(600)
    ]
    process = bandit()
    with transaction.atomic():
        # Whoever counts waits for us, to make its unit; the kill falls into its transaction.
        UnitState.objects.create(experiment=trial, unit="r0", arm=trial.arms.get(name=arm_of["r0"]))
        produce(producer, Topic.EXPERIMENT_EXPOSURES, reports, "unit")
        wait_for(somebody_waits_for_a_lock)
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    assert not UnitDay.objects.exists(), "the kill came too late"
    process = bandit()
    produce(producer, Topic.EXPERIMENT_EXPOSURES, reports[::-1], "unit")
    wait_for(lambda: sum(StreamOffset.objects.values_list("next_offset", flat=True)) == 1_200)
    assert UnitDay.objects.aggregate(Sum("exposures")) == {"exposures__sum": 600}
    assert sum(row.exposures for row in ArmDay.objects.filter(metric=trial.metric)) == 600
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not DeadLetter.objects.exists()


def test_stopped_while_the_broker_is_dead_both_exit_in_time_and_keep_what_they_could_not_send(bandit):
    make_listing("A")
    broker = subprocess.Popen([sys.executable, "-P", mock_broker.__file__], stdout=subprocess.PIPE, text=True)
    try:
        address = {"KAFKA_BOOTSTRAP_SERVERS": broker.stdout.readline().strip()}
        process, relay = bandit(**address), bandit("relay_outbox", **address)
        wait_for(lambda: "Reading" in process.log.read_text() and "Sending" in process.log.read_text())
    finally:
        broker.kill()
        broker.communicate()
    enqueue_messages(messages=[Envelope("pricing_decisions", "k", b"{}")], now=timezone.now())
    wait_for(lambda: "the broker did not take all" in process.log.read_text())
    for each in (process, relay):
        each.send_signal(signal.SIGTERM)
        assert each.wait(30) == 0
    assert outbox_size() == 1


def test_of_two_relays_one_sends_and_the_other_takes_over_when_it_is_killed(bandit):
    first = bandit("relay_outbox")
    wait_for(lambda: "Sending" in first.log.read_text())
    second = bandit("relay_outbox")
    enqueue_messages(messages=[Envelope("pricing_decisions", "k", b"1")], now=timezone.now())
    wait_for(lambda: not OutboxBatch.objects.exists())
    assert first.log.read_text().count("Sending") == 1
    first.kill()
    enqueue_messages(messages=[Envelope("pricing_decisions", "k", b"2")], now=timezone.now())
    wait_for(lambda: not OutboxBatch.objects.exists())
    assert read_all(Topic.PRICING_DECISIONS) == [1, 2]
    second.send_signal(signal.SIGINT)
    assert second.wait(30) == 0


def test_without_a_broker_it_waits_says_so_and_still_stops_at_once(bandit):
    make_listing("A")
    process = bandit(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    wait_for(lambda: "Waiting: no Kafka broker answers at 127.0.0.1:9" in process.log.read_text())
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
