"""The bandit's loop: read, learn, send; until told to stop."""

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from catalog.selectors.listings import active_listings
from experiments.selectors.streams import PartitionKey, outbox_state, stored_offsets
from experiments.services.record_outcomes import EXPIRED_AT_ONCE, expire_decisions
from experiments.services.streams import Advance
from streaming.handlers import TRY_AGAIN, handle_batch
from streaming.kafka_settings import client_settings
from streaming.messages import Message
from streaming.metrics import StreamMetrics
from streaming.relay import Relay
from streaming.topics import CONSUMED, REPLAY_OF, Topic
from streaming.waiting import wait_until_nothing_is_missing

log = logging.getLogger(__name__)

BATCH = 500
POLL_MS = 500
GATHER_MS = 50
RETRY_SECONDS = 1.0
BROKER_SECONDS = 2.0
REPORT_SECONDS = 10.0
EXPIRE_SECONDS = 60.0
MEASURE_SECONDS = 2.0

Records = Mapping[TopicPartition, Sequence[ConsumerRecord]]


class BanditStream:
    """Decides prices for demand events and learns from outcomes.

    Blocks in ``run`` until ``stop`` is set; then it finishes its batch, sends what is decided, leaves the consumer
    group and returns, within 10 s also where the broker or the database is gone.

    Where to read on is known by Postgres alone: offsets commit together with what was learned. Those committed to Kafka
    afterwards only let its tools show the lag. Processes share the partitions as one consumer group.

    Waits, saying for what, while the database, products, brokers or topics are not there. Rejects a single message by
    making it a dead letter. Messages that the broker deleted before we came (a gap in the offsets) are counted in
    ``StreamOffset.lost`` and logged as an error: outcomes that are lost teach nothing, their decisions expire.
    """

    def __init__(
        self,
        *,
        stop: threading.Event,
        rng: np.random.Generator,
        session_timeout_seconds: float = 10,
        metrics: StreamMetrics | None = None,
    ) -> None:
        self.stop = stop
        self.rng = rng
        self.metrics = metrics or StreamMetrics(max_lag=settings.STREAM_MAX_LAG)
        self.session_timeout_ms = int(session_timeout_seconds * 1000)
        self.expected: dict[PartitionKey, int | None] = {}
        self.unsought: set[TopicPartition] = set()
        self.counts: Counter[str] = Counter()
        self.reported_at = self.expired_at = self.measured_at = 0.0
        self.consumer: Any = None  # kafka-python is not typed
        self.relay = Relay()
        self.cluster = ""

    def run(self) -> None:
        if not wait_until_nothing_is_missing(missing_in_database, self.stop):
            return
        try:
            if wait_until_nothing_is_missing(self._missing_broker, self.stop) and wait_until_nothing_is_missing(
                self._missing_topics, self.stop
            ):
                log.info("Reading %s.", ", ".join(topic.deployed_name for topic in CONSUMED))
            while not self.stop.is_set():
                self._step_or_wait()
        finally:
            self._close()

    def _missing_broker(self) -> str | None:
        try:
            self.consumer = self.consumer or self._subscribed_consumer()
        except KafkaError as error:
            return f"no Kafka broker answers at {settings.KAFKA_BOOTSTRAP_SERVERS} ({error})"
        # The client asks for brokers by itself, in the background; it has no public name for what it found.
        metadata = self.consumer._cluster
        deadline = time.monotonic() + BROKER_SECONDS
        while not metadata.brokers() and time.monotonic() < deadline and not self.stop.wait(0.05):
            pass
        if not metadata.brokers():
            return f"no Kafka broker answers at {settings.KAFKA_BOOTSTRAP_SERVERS}"
        # Offsets mean something only within one cluster, and a development broker forgets them all.
        self.cluster = metadata.cluster_id or "unnamed"
        return None

    def _subscribed_consumer(self) -> KafkaConsumer:
        consumer = KafkaConsumer(
            **client_settings(),
            group_id=f"{settings.KAFKA_TOPIC_PREFIX}bandit",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            max_poll_records=BATCH,
            session_timeout_ms=self.session_timeout_ms,
            heartbeat_interval_ms=self.session_timeout_ms // 4,
        )
        consumer.subscribe([topic.deployed_name for topic in CONSUMED], listener=SeekLater(self))
        return consumer

    def _missing_topics(self) -> str | None:
        """Brokers that create topics do so when asked for them; with others somebody has to."""
        try:
            self.consumer.poll(timeout_ms=100)
            lacking = [topic for topic in CONSUMED if not self.consumer.partitions_for_topic(topic.deployed_name)]
        except KafkaError as error:
            return f"the broker does not name its topics ({error})"
        return f"create the topics {', '.join(topic.deployed_name for topic in lacking)}" if lacking else None

    def _step_or_wait(self) -> None:
        try:
            self._step()
        except TRY_AGAIN as error:
            log.warning("Reading again from the stored offsets: %s", error)
            connection.close()
            self.unsought = set(self.consumer.assignment())
            self.stop.wait(RETRY_SECONDS)
        except KafkaError as error:
            log.warning("Kafka: %s; trying again.", error)
            self.stop.wait(RETRY_SECONDS)

    def _step(self) -> None:
        self._seek_to_stored_offsets()
        if records := self._gather():
            self._learn_from(records)
        self.relay.send_waiting()
        self._do_housekeeping()

    def _gather(self) -> Records:
        """Poll, and once something is there go on for a moment: a transaction costs the same for one as for many."""
        gathered: defaultdict[TopicPartition, list[ConsumerRecord]] = defaultdict(list)
        patience_ms, deadline = POLL_MS, 0.0
        while not self.stop.is_set():
            for partition, found in self.consumer.poll(timeout_ms=patience_ms).items():
                gathered[partition] += found
            deadline = deadline or time.monotonic() + GATHER_MS / 1000
            patience_ms = int((deadline - time.monotonic()) * 1000)
            if not gathered or patience_ms <= 0 or sum(map(len, gathered.values())) >= BATCH:
                break
        return gathered

    def _seek_to_stored_offsets(self) -> None:
        if not self.unsought:
            return
        stored = stored_offsets(cluster=self.cluster)
        assigned = self.unsought & self.consumer.assignment()
        for partition in assigned:
            offset = self.expected[tuple(partition)] = stored.get(tuple(partition))
            if offset is None:
                self.consumer.seek_to_beginning(partition)
            else:
                self.consumer.seek(partition, offset)
            self.consumer.resume(partition)
        self.unsought = set()

    def _learn_from(self, records: Records) -> None:
        advances = {tuple(partition): self._advance(partition, found) for partition, found in records.items()}
        messages = [
            Message(NAMED[record.topic], record.partition, record.offset, record.value or b"", _replay_of(record))
            for found in records.values()
            for record in found
        ]
        with self.metrics.batch_seconds.time():
            counts = handle_batch(
                messages=messages, cluster=self.cluster, advances=advances, now=timezone.now(), rng=self.rng
            )
        self.metrics.batch_messages.inc(len(messages))
        self._count(counts + Counter(lost=sum(advance.lost for advance in advances.values())))
        self.expected |= {key: advance.next_offset for key, advance in advances.items()}
        self.consumer.commit_async(
            {TopicPartition(*key): OffsetAndMetadata(advance.next_offset, "", -1) for key, advance in advances.items()}
        )

    def _advance(self, partition: TopicPartition, records: Sequence[ConsumerRecord]) -> Advance:
        expected = self.expected[tuple(partition)]
        first, following = records[0].offset, records[-1].offset + 1
        begin = first if expected is None else min(expected, first)
        if expected is not None and first < expected:
            log.error(
                "%s[%d] has begun anew: read from %d instead of %d. Ids keep everything counted once.",
                *partition, first, expected,
            )  # fmt: skip
        lost = following - begin - len(records)
        if lost:
            log.error(
                "%s[%d]: the broker deleted %d messages before %d unread. Keep messages longer, or run more processes.",
                *partition, lost, following,
            )  # fmt: skip
        return Advance(expected, following, lost)

    def _do_housekeeping(self) -> None:
        now = time.monotonic()
        if now - self.expired_at > EXPIRE_SECONDS:
            expired = expire_decisions(now=timezone.now())
            self._count(Counter(expired=expired))
            if expired < EXPIRED_AT_ONCE:  # else more are overdue: the next step takes them
                self.expired_at = now
        if now - self.measured_at > MEASURE_SECONDS:
            self._measure()
            self.measured_at = now
        if now - self.reported_at > REPORT_SECONDS:
            self._report()
            self.reported_at = now

    def _count(self, counts: Counter[str]) -> None:
        self.counts += counts
        self.metrics.count(counts)

    def _measure(self) -> None:
        """Say how far we are behind: in each partition that is ours, and in the outbox."""
        lag = {}
        for partition in self.consumer.assignment():
            end = self.consumer.highwater(partition)
            if end is not None:
                lag[tuple(partition)] = max(0, end - (self.expected.get(tuple(partition)) or 0))
        if self.consumer.assignment():
            self.metrics.set_lag(lag)
        waiting, oldest = outbox_state()
        self.metrics.outbox.set(waiting)
        self.metrics.outbox_age.set(0 if oldest is None else (timezone.now() - oldest).total_seconds())

    def _report(self) -> None:
        if self.counts:
            log.info("%s", ", ".join(f"{name} {number:,}" for name, number in sorted(self.counts.items())))
        self.counts = Counter()

    def _close(self) -> None:
        try:
            if self.cluster:
                self.relay.send_waiting()
        except (KafkaError, DatabaseError) as error:
            log.warning("What is not sent stays in the outbox: %s", error)
        self.relay.close()
        if self.consumer:
            self.consumer.close(timeout_ms=2_000)
        self._report()
        log.info("Stopped.")


class SeekLater(ConsumerRebalanceListener):
    """Holds newly assigned partitions back: this runs on the client's own thread, which must not wait for Postgres."""

    def __init__(self, stream: BanditStream) -> None:
        self.stream = stream

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        pass

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.stream.consumer.pause(*assigned)
        self.stream.unsought = set(assigned)


def _replay_of(record: ConsumerRecord) -> int | None:
    """Return the dead letter that a message once was; a header that is no number of ours says nothing."""
    value = dict(record.headers).get(REPLAY_OF, b"")
    return int(value) if value.isdigit() and len(value) < 19 else None


NAMED = {topic.deployed_name: topic for topic in Topic}


def missing_in_database() -> str | None:
    """Say what the database lacks: itself, its tables, or products."""
    try:
        if active_listings(channel=settings.DEFAULT_CHANNEL).exists() and stored_offsets(cluster="") == {}:
            return None
        return f"no active products in the channel {settings.DEFAULT_CHANNEL!r} (DEFAULT_CHANNEL): import a catalogue"
    except DatabaseError as error:
        connection.close()
        return f"the database is not ready ({str(error).splitlines()[0]})"
