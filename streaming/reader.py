"""A thread that reads ahead, so that the broker and the database work at the same time."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

log = logging.getLogger(__name__)

T = TypeVar("T")

POLL_MS = 20
AHEAD = 4_000
"""Records that lie here at most; more are left to the broker."""
ANSWER_SECONDS = 5.0
MANY = 500
PATIENCE_SECONDS = 0.1
RETRY_SECONDS = 1.0

Records = dict[TopicPartition, list[ConsumerRecord]]


class Reader:
    """Owns a subscribed consumer, which is not safe for two threads, from ``start`` to ``close``.

    Newly assigned partitions are held back, ``unsought``, until ``seek`` says where to begin.
    """

    def __init__(self, consumer: Any) -> None:  # kafka-python is not typed
        self.consumer = consumer
        self.unsought: set[TopicPartition] = set()
        self._buffer: Records = {}
        self._patient_until = 0.0
        self._changed = threading.Condition()
        self._orders: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def subscribe(self, topics: Collection[str]) -> None:
        self.consumer.subscribe(list(topics), listener=_Rebalance(self))

    def start(self) -> None:
        self._thread.start()

    def take(self, *, timeout: float, first: str = "") -> Records:
        """Return what was read since the last call; wait for some of it.

        Args:
            timeout: seconds to wait.
            first: a topic that is given at once. Records of others lie for `PATIENCE_SECONDS`, unless many do: a
                transaction costs much, a record little, and nobody waits for them.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (taken := self._due(first)) and not self.unsought:
                left = min(deadline, self._patient_until) - time.monotonic()
                if time.monotonic() >= deadline:
                    break
                self._changed.wait(max(left, 0.0))
            for partition in taken:
                del self._buffer[partition]
            self._changed.notify_all()
        return taken

    def _due(self, first: str) -> Records:
        """Return all that lies here, or only what is of the topic that comes first."""
        size = sum(map(len, self._buffer.values()))
        if not first or size >= MANY or time.monotonic() >= self._patient_until:
            self._patient_until = time.monotonic() + PATIENCE_SECONDS
            return dict(self._buffer)
        return {partition: records for partition, records in self._buffer.items() if partition.topic == first}

    def seek(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """Begin held partitions at these offsets (None: the beginning); what was read of them before is dropped.

        Those that were taken away meanwhile are left out. Raises KafkaError or TimeoutError.
        """
        self._ask(lambda: self._seek(offsets))

    def begin_anew(self) -> None:
        """Hold all partitions back, as if they were assigned again."""
        self._ask(lambda: self._hold(self.consumer.assignment()))

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Tell the broker how far we are, for its tools; without waiting for its answer."""
        positions = {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        self._orders.put((lambda: self.consumer.commit_async(positions), Future()))

    def ends(self) -> dict[TopicPartition, int]:
        """Return the end of each partition that is ours, as far as it is known."""
        return self._ask(
            lambda: {
                partition: end
                for partition in self.consumer.assignment()
                if (end := self.consumer.highwater(partition)) is not None
            }
        )

    def close(self, *, timeout: float) -> None:
        """Stop reading and leave the group."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        self.consumer.close(timeout_ms=int(timeout * 1000))

    def _ask(self, work: Callable[[], T]) -> T:
        if not self._thread.is_alive():
            return work()
        answer: Future[T] = Future()
        self._orders.put((work, answer))
        return answer.result(ANSWER_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._follow_orders()
            if not self._wait_for_room():
                continue
            try:
                self._keep(self.consumer.poll(timeout_ms=POLL_MS))
            except KafkaError as error:
                log.warning("Kafka: %s; trying again.", error)
                self._stop.wait(RETRY_SECONDS)

    def _follow_orders(self) -> None:
        while True:
            try:
                work, answer = self._orders.get_nowait()
            except Empty:
                return
            try:
                answer.set_result(work())
            except Exception as error:  # it belongs to whoever asked
                answer.set_exception(error)

    def _keep(self, found: Mapping[TopicPartition, list[ConsumerRecord]]) -> None:
        with self._changed:
            for partition, records in found.items():
                self._buffer.setdefault(partition, []).extend(records)
            if found:
                self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        """Tell whether there is room, after a moment at most: orders must not wait."""
        with self._changed:
            return self._changed.wait_for(lambda: sum(map(len, self._buffer.values())) < AHEAD, POLL_MS / 1000)

    def _hold(self, partitions: Collection[TopicPartition]) -> None:
        self.consumer.pause(*partitions)
        self._drop(partitions)
        with self._changed:
            self.unsought = set(partitions)
            self._changed.notify_all()

    def _seek(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        ours = self.consumer.assignment()
        self._drop(offsets)
        for partition, offset in offsets.items():
            if partition in ours:
                if offset is None:
                    self.consumer.seek_to_beginning(partition)
                else:
                    self.consumer.seek(partition, offset)
                self.consumer.resume(partition)
        with self._changed:
            self.unsought = self.unsought - set(offsets)

    def _drop(self, partitions: Collection[TopicPartition]) -> None:
        with self._changed:
            for partition in partitions:
                self._buffer.pop(partition, None)


class _Rebalance(ConsumerRebalanceListener):
    """Runs on the reader's own thread, which must not wait for Postgres."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self.reader._drop(revoked)

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.reader._hold(assigned)
