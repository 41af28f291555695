"""Reading ahead on a real broker, and partitions that change hands while records are under way.

The broker for development does not balance a group; its members are told here what a real one would tell them.
"""

import threading
import time
import uuid

import numpy as np
import pytest
from django.conf import settings as site
from kafka import KafkaConsumer, TopicPartition

from experiments.models import ArmCount, PricingDecision, StreamOffset
from streaming.consumer import BanditStream
from streaming.kafka_settings import client_settings
from streaming.reader import Reader, _Rebalance
from streaming.topics import CONSUMED
from tests.factories import make_listing
from tests.streaming.market import Market

pytestmark = pytest.mark.django_db(transaction=True)
PARTITIONS = 4


@pytest.fixture(autouse=True)
def own_topics(settings):
    settings.KAFKA_TOPIC_PREFIX = f"{settings.KAFKA_TOPIC_PREFIX}{uuid.uuid4().hex[:6]}."


@pytest.fixture
def market(own_topics):
    for number in range(3):
        make_listing(f"S{number}")
    return Market(site.KAFKA_BOOTSTRAP_SERVERS, prefix=site.KAFKA_TOPIC_PREFIX, products=3, locations=5)


@pytest.fixture
def member():
    """Make members of the group; they are told by hand which partitions are theirs."""
    made = []

    def make():
        stream = BanditStream(stop=threading.Event(), rng=np.random.default_rng(len(made)))
        stream.reader = Reader(KafkaConsumer(**client_settings(), fetch_max_wait_ms=5, enable_auto_commit=False))
        stream.cluster = "test"
        stream.reader.start()
        made.append(stream)
        return stream

    yield make
    for stream in made:
        stream.reader.close(timeout=2)


def give(stream, partitions):
    """Do what a rebalance does, on the reader's own thread."""
    ours = [TopicPartition(topic.deployed_name, each) for topic in CONSUMED for each in partitions]

    def rebalance():
        listener, consumer = _Rebalance(stream.reader), stream.reader.consumer
        listener.on_partitions_revoked(consumer.assignment())
        consumer.assign(ours)
        listener.on_partitions_assigned(set(ours))

    stream.reader._ask(rebalance)


def until(done, *streams, seconds=30):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "waited in vain"
        for stream in streams:
            stream._step_or_wait()


def test_partitions_change_hands_under_load_and_everything_counts_once(market, member, monkeypatch):
    monkeypatch.setattr("streaming.consumer.IDLE_SECONDS", 0.01)
    monkeypatch.setattr("streaming.consumer.RETRY_SECONDS", 0.05)
    one, two = member(), member()
    rng = np.random.default_rng(3)
    for _ in range(8):
        market.ask(150)
        market.producer.flush(5)
        # Also both the same ones: a member that does not know yet that it lost them.
        shares = [[int(p) for p in rng.permutation(PARTITIONS)[: rng.integers(1, PARTITIONS + 1)]] for _ in range(2)]
        give(one, shares[0]), give(two, shares[1])
        for _ in range(int(rng.integers(1, 6))):
            one._step_or_wait(), two._step_or_wait()
    give(one, [0, 1]), give(two, [2, 3])
    until(lambda: PricingDecision.objects.count() == len(market.events), one, two)
    assert {str(pk) for pk in PricingDecision.objects.values_list("event_id", flat=True)} == market.events
    read = {(row.topic, row.partition): row.next_offset for row in StreamOffset.objects.all() if row.next_offset}
    assert read == {key: end for key, end in market.ends().items() if end}
    assert sum(ArmCount.objects.values_list("decided", flat=True)) == len(market.events)
    assert not StreamOffset.objects.filter(lost__gt=0).exists()


def test_it_reads_ahead_no_further_than_it_may_and_loses_nothing(market, member, monkeypatch):
    monkeypatch.setattr("streaming.reader.AHEAD", 50)
    stream = member()
    market.ask(700)
    market.producer.flush(5)
    give(stream, range(PARTITIONS))
    stream._seek_to_stored_offsets()
    time.sleep(0.5)
    taken = stream.reader.take(timeout=5)
    first = sum(map(len, taken.values()))
    assert 0 < first <= 50 + 500  # what one poll brings at most when there is room
    while first < 700:
        found = stream.reader.take(timeout=5)
        assert found, "the rest did not come"
        first += sum(map(len, found.values()))
    assert first == 700


def test_an_order_that_fails_fails_for_whoever_gave_it(member):
    stream = member()
    with pytest.raises(ZeroDivisionError):
        stream.reader._ask(lambda: 1 / 0)
    assert stream.reader.ends() == {}
