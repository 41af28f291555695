"""Consumes decisions and answers them, each when its shopper acts."""

import heapq
import json
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from streaming.kafka_settings import client_settings
from streaming.market_score import MarketScore
from streaming.simulation import Shoppers
from streaming.topics import Topic

POLL_MS = 100
REMEMBERED = 100_000
"""Decisions whose second delivery is noticed: the newest."""


class OutcomeSimulator:
    """Answers every decision once; ``run`` blocks until ``stop`` is set or ``limit`` decisions are answered.

    Offsets are committed up to the oldest decision that is not answered yet: stopped or killed, the next process reads
    those again and gives the same answers, with the same ids.
    """

    def __init__(self, shoppers: Shoppers, *, stop: threading.Event, limit: int | None = None) -> None:
        self.shoppers, self.stop, self.limit = shoppers, stop, limit
        self.score = MarketScore(shoppers)
        self.answered = 0
        self.waiting: list[tuple[datetime, int, TopicPartition, bytes, list[dict[str, Any]]]] = []
        self.seen: dict[str, None] = {}  # a decision may arrive twice
        self.read_to: dict[TopicPartition, int] = {}
        self.consumer: Any = None  # kafka-python is not typed
        self.producer: Any = None

    @property
    def is_reading(self) -> bool:
        return self.consumer is not None and bool(self.consumer.assignment())

    def run(self) -> None:
        self.producer = KafkaProducer(**client_settings(), linger_ms=20, max_block_ms=10_000)
        for topic in (Topic.PRICING_DECISIONS, Topic.PRICING_OUTCOMES):
            self.producer.partitions_for(topic.deployed_name)  # brokers that create topics do so when asked for them
        self.consumer = KafkaConsumer(
            **client_settings(),
            group_id=f"{settings.KAFKA_TOPIC_PREFIX}simulated-shoppers",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=50,
        )
        # Who joins a group without knowing the topic yet is given none of it, and hears of it half a minute later.
        self.consumer.partitions_for_topic(Topic.PRICING_DECISIONS.deployed_name)
        self.consumer.subscribe([Topic.PRICING_DECISIONS.deployed_name])
        try:
            while not self.stop.is_set() and not self._is_done():
                self._step()
        finally:
            self.producer.flush(timeout=5)
            self._commit()
            self.producer.close(timeout=1)
            self.consumer.close(timeout_ms=2_000)

    def _is_done(self) -> bool:
        return self.limit is not None and self.answered >= self.limit

    def _step(self) -> None:
        for partition, records in self.consumer.poll(timeout_ms=POLL_MS).items():
            for record in records:
                self._take(partition, record.offset, record.key or b"", json.loads(record.value))
            self.read_to[partition] = records[-1].offset + 1
        sent = self._send_due(timezone.now())
        if sent:
            self.producer.flush(timeout=5)
            self._commit()

    def _take(self, partition: TopicPartition, offset: int, key: bytes, decision: Mapping[str, Any]) -> None:
        if decision["decision_id"] in self.seen:
            return
        self.seen[decision["decision_id"]] = None
        if len(self.seen) > REMEMBERED:
            del self.seen[next(iter(self.seen))]
        self.score.count(decision)
        answer = self.shoppers.answer(decision)
        answers = [answer] * self.shoppers.deliveries(decision)
        heapq.heappush(self.waiting, (datetime.fromisoformat(answer["occurred_at"]), offset, partition, key, answers))

    def _send_due(self, now: datetime) -> int:
        """Send the answers of shoppers who have acted by now, keyed as their decision: one context stays in order."""
        sent = 0
        while self.waiting and self.waiting[0][0] <= now and not self._is_done():
            *_, key, answers = heapq.heappop(self.waiting)
            for answer in answers:
                self.producer.send(Topic.PRICING_OUTCOMES.deployed_name, key=key, value=json.dumps(answer).encode())
            self.answered += 1
            sent += 1
        return sent

    def _commit(self) -> None:
        done = dict(self.read_to)
        for _, offset, partition, *_ in self.waiting:
            done[partition] = min(done.get(partition, offset), offset)
        if done:
            self.consumer.commit({partition: OffsetAndMetadata(offset, "", -1) for partition, offset in done.items()})
