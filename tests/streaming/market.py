"""A storefront that asks the bandit for prices and answers them, over the fastest client there is."""

import json
import time
import uuid
from collections import Counter
from datetime import UTC, datetime

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

EVENTS, DECISIONS, OUTCOMES = "demand_events", "pricing_decisions", "pricing_outcomes"


class Market:
    """Keeps all that it asked, was told and answered.

    Args:
        brokers: host:port of the broker.
        prefix: of the deployment's topics.
        products: it asks for S0 to S<products − 1> of the channel "web", in ``locations`` shops.
        bought: share of decisions that it answers with a purchase.
    """

    def __init__(
        self, brokers: str, *, prefix: str = "", products: int, locations: int, bought: float = 0.3, linger_ms: int = 5
    ) -> None:
        self.prefix, self.products, self.locations, self.bought = prefix, products, locations, bought
        address = {"bootstrap.servers": brokers}
        self.producer = Producer(address | {"linger.ms": linger_ms, "queue.buffering.max.messages": 200_000})
        self.consumer = Consumer(
            address
            | {"group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest", "enable.auto.commit": False}
            | {"fetch.wait.max.ms": 5}
        )
        for topic in (EVENTS, DECISIONS, OUTCOMES):  # made, where asking for them makes them
            self.producer.list_topics(prefix + topic, timeout=10)
        # Not as a group: that takes its time, and there is one reader.
        known = self.consumer.list_topics(prefix + DECISIONS, timeout=10).topics[prefix + DECISIONS].partitions
        self.consumer.assign([TopicPartition(prefix + DECISIONS, each, OFFSET_BEGINNING) for each in known])
        self.rng = np.random.default_rng(1)
        self.events: set[str] = set()
        self.asked_at: dict[str, float] = {}
        self.latencies: list[float] = []
        self.decisions: Counter[str] = Counter()
        self.outcomes: dict[str, bool] = {}

    def ask(self, number: int) -> None:
        """Send so many demand events."""
        skus, places = self.rng.integers(0, self.products, number), self.rng.integers(0, self.locations, number)
        demands, ids = self.rng.integers(0, 40, number), self.rng.bytes(16 * number)
        moment = datetime.now(UTC).isoformat()
        for at in range(number):
            event = str(uuid.UUID(bytes=ids[16 * at : 16 * at + 16]))
            sku, place = f"S{skus[at]}", f"shop-{places[at]}"
            value = (
                f'{{"schema_version": 1, "event_id": "{event}", "occurred_at": "{moment}", "channel": "web", '
                f'"sku": "{sku}", "location": "{place}", "demand": {demands[at]}, "supply": 20}}'
            )
            self.events.add(event)
            self.asked_at[event] = time.monotonic()
            self.producer.produce(self.prefix + EVENTS, key=f"web:{sku}:{place}", value=value)
        self.producer.poll(0)

    def answer(self, seconds: float) -> int:
        """Read decisions for a moment and answer each; return how many came. The same decision, the same answer."""
        read = self.consumer.consume(2_000, timeout=seconds)
        messages = [each for each in read if not each.error()]  # at first there is no topic
        now, moment = time.monotonic(), datetime.now(UTC).isoformat()
        luck = self.rng.random(len(messages)).tolist()
        for message, point in zip(messages, luck, strict=True):
            decision = json.loads(message.value())
            key = decision["decision_id"]
            self.decisions[key] += 1
            asked = self.asked_at.pop(decision["event_id"], None)
            if asked is not None:
                self.latencies.append(now - asked)
            purchased = self.outcomes.setdefault(key, point < self.bought)
            value = (
                f'{{"schema_version": 1, "event_id": "{uuid.uuid4()}", "decision_id": "{key}", '
                f'"outcome": "{"purchased" if purchased else "rejected"}", "occurred_at": "{moment}"}}'
            )
            self.producer.produce(self.prefix + OUTCOMES, key=message.key(), value=value)
        self.producer.poll(0)
        return len(messages)

    def ends(self) -> dict[tuple[str, int], int]:
        """Return the end of each partition that the bandit reads."""
        found = {}
        for topic in (self.prefix + EVENTS, self.prefix + OUTCOMES):
            for partition in self.consumer.list_topics(topic, timeout=10).topics[topic].partitions:
                _, end = self.consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
                found[topic, partition] = end
        return found
