"""The bandit's loop: read, decide, learn; until told to stop."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from catalog.selectors.listings import active_listings
from experiments.selectors.arm_counts import epoch_of
from experiments.selectors.streams import PartitionKey, outbox_state, stored_offsets
from experiments.services.arm_counts import merge_old_epochs
from experiments.services.choices import ChoiceBook
from experiments.services.record_outcomes import EXPIRED_AT_ONCE, expire_decisions
from experiments.services.streams import Advance
from optimizer.services.add_activity import PendingRefresh
from streaming.background import Background, Chores, OwnChores
from streaming.handlers import TRY_AGAIN, Memory, handle_batch
from streaming.kafka_settings import client_settings
from streaming.messages import Message
from streaming.metrics import StreamMetrics
from streaming.reader import Reader, Records
from streaming.topic_creation import ask_broker_to_create
from streaming.topics import CONSUMED, REPLAY_OF, Topic
from streaming.waiting import wait_until_nothing_is_missing

log = logging.getLogger(__name__)

MOST_POLLED = 2_000
IDLE_SECONDS = 0.5
FETCH_WAIT_MS = 10  # a development broker answers an empty fetch after its full wait, also when something comes
RETRY_SECONDS = 1.0
BROKER_SECONDS = 2.0
REPORT_SECONDS = 10.0
EXPIRE_SECONDS = 60.0
MEASURE_SECONDS = 2.0
MERGE_SECONDS = 3600.0


class BanditStream:
    """Decides prices for demand events and learns from outcomes.

    Blocks in ``run`` until ``stop`` is set; then it finishes its batch, leaves the consumer group and returns, within
    10 s also where the broker or the database is gone. What it decides lies in the outbox, from where the relay sends
    it. Beside it a thread plans what contexts choose from next, from what was learned, and writes online features.

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
        chores: Chores | None = None,
    ) -> None:
        self.stop = stop
        self.rng = rng
        self.metrics = metrics or StreamMetrics(max_lag=settings.STREAM_MAX_LAG)
        self.session_timeout_ms = int(session_timeout_seconds * 1000)
        self.expected: dict[PartitionKey, int | None] = {}
        self.counts: Counter[str] = Counter()
        self.reported_at = self.expired_at = self.measured_at = self.merged_at = 0.0
        self.reader: Reader | None = None
        self.memory = Memory(ChoiceBook(is_planned=True), PendingRefresh())
        self.background = Background(self.memory, chores or OwnChores(rng.spawn(1)[0]))
        self.cluster = ""
        self.topics = {topic.deployed_name: topic for topic in Topic}

    def run(self) -> None:
        if not wait_until_nothing_is_missing(missing_in_database, self.stop):
            return
        try:
            if wait_until_nothing_is_missing(self._missing_broker, self.stop) and wait_until_nothing_is_missing(
                self._missing_topics, self.stop
            ):
                log.info("Reading %s.", ", ".join(topic.deployed_name for topic in CONSUMED))
                self._reading.subscribe([topic.deployed_name for topic in CONSUMED])
                self._reading.start()
            self.background.start()
            while not self.stop.is_set():
                self._step_or_wait()
        finally:
            self._close()

    @property
    def _reading(self) -> Reader:
        assert self.reader is not None, "there is no broker yet"
        return self.reader

    def _missing_broker(self) -> str | None:
        try:
            self.reader = self.reader or self._new_reader()
        except KafkaError as error:
            return f"no Kafka broker answers at {settings.KAFKA_BOOTSTRAP_SERVERS} ({error})"
        # The client asks for brokers by itself, in the background; it has no public name for what it found.
        metadata = self.reader.consumer._cluster
        deadline = time.monotonic() + BROKER_SECONDS
        while not metadata.brokers() and time.monotonic() < deadline and not self.stop.wait(0.05):
            pass
        if not metadata.brokers():
            return f"no Kafka broker answers at {settings.KAFKA_BOOTSTRAP_SERVERS}"
        # Offsets mean something only within one cluster, and a development broker forgets them all.
        self.cluster = metadata.cluster_id or "unnamed"
        return None

    def _new_reader(self) -> Reader:
        consumer = KafkaConsumer(
            **client_settings(),
            group_id=f"{settings.KAFKA_TOPIC_PREFIX}bandit",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_poll_records=MOST_POLLED,
            session_timeout_ms=self.session_timeout_ms,
            heartbeat_interval_ms=self.session_timeout_ms // 4,
        )
        return Reader(consumer)

    def _missing_topics(self) -> str | None:
        """Brokers that create topics do so when asked for them; with others somebody has to.

        Who joins the group before it knows a topic is given none of it, and hears of it half a minute later.
        """
        try:
            if lacking := self._lacking_topics():
                ask_broker_to_create(lacking)
                lacking = self._lacking_topics()
        except KafkaError as error:
            return f"the broker does not name its topics ({error})"
        return f"create the topics {', '.join(lacking)}" if lacking else None

    def _lacking_topics(self) -> list[str]:
        names = [topic.deployed_name for topic in CONSUMED]
        return [name for name in names if not self._reading.consumer.partitions_for_topic(name)]

    def _step_or_wait(self) -> None:
        try:
            self._step()
        except TRY_AGAIN as error:
            log.warning("Reading again from the stored offsets: %s", error)
            connection.close()
            self._reading.begin_anew()
            self.stop.wait(RETRY_SECONDS)
        except (KafkaError, TimeoutError) as error:
            log.warning("Kafka: %s; trying again.", error)
            self.stop.wait(RETRY_SECONDS)

    def _step(self) -> None:
        self._seek_to_stored_offsets()
        if records := self._reading.take(timeout=IDLE_SECONDS, first=Topic.DEMAND_EVENTS.deployed_name):
            self._learn_from(records)
        self._do_housekeeping()

    def _seek_to_stored_offsets(self) -> None:
        if not (unsought := self._reading.unsought):
            return
        stored = stored_offsets(cluster=self.cluster)
        offsets = {partition: stored.get(tuple(partition)) for partition in unsought}
        self.expected |= {tuple(partition): offset for partition, offset in offsets.items()}
        self._reading.seek(offsets)

    def _learn_from(self, records: Records) -> None:
        advances = {tuple(partition): self._advance(partition, found) for partition, found in records.items()}
        messages = [
            Message(self.topics[record.topic], record.partition, record.offset, record.value or b"", _replay_of(record))
            for found in records.values()
            for record in found
        ]
        with self.metrics.batch_seconds.time():
            counts = handle_batch(
                messages=messages,
                cluster=self.cluster,
                advances=advances,
                now=timezone.now(),
                rng=self.rng,
                memory=self.memory,
            )
        self.metrics.batch_messages.inc(len(messages))
        self._count(counts + Counter(lost=sum(advance.lost for advance in advances.values())))
        self.expected |= {key: advance.next_offset for key, advance in advances.items()}
        self._reading.commit({TopicPartition(*key): advance.next_offset for key, advance in advances.items()})

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
        if now - self.merged_at > MERGE_SECONDS:
            merge_old_epochs(epoch=epoch_of(timezone.now()))
            self.merged_at = now
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
        ends = {tuple(partition): end for partition, end in self._reading.ends().items()}
        if ends:
            self.metrics.set_lag({key: max(0, end - (self.expected.get(key) or 0)) for key, end in ends.items()})
        waiting, oldest = outbox_state()
        self.metrics.outbox.set(waiting)
        self.metrics.outbox_age.set(0 if oldest is None else (timezone.now() - oldest).total_seconds())

    def _report(self) -> None:
        if self.counts:
            log.info("%s", ", ".join(f"{name} {number:,}" for name, number in sorted(self.counts.items())))
        self.counts = Counter()

    def _close(self) -> None:
        self.background.close()
        if self.reader:
            self.reader.close(timeout=2)
        self._report()
        log.info("Stopped.")


def _replay_of(record: ConsumerRecord) -> int | None:
    """Return the dead letter that a message once was; a header that is no number of ours says nothing."""
    value = dict(record.headers).get(REPLAY_OF, b"")
    return int(value) if value.isdigit() and len(value) < 19 else None


def missing_in_database() -> str | None:
    """Say what the database lacks: itself, its tables, or products."""
    try:
        if active_listings(channel=settings.DEFAULT_CHANNEL).exists() and stored_offsets(cluster="") == {}:
            return None
        return f"no active products in the channel {settings.DEFAULT_CHANNEL!r} (DEFAULT_CHANNEL): import a catalogue"
    except DatabaseError as error:
        connection.close()
        return f"the database is not ready ({str(error).splitlines()[0]})"
