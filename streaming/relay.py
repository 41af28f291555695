"""The outbox to Kafka: every message at least once, in order of its commit; receivers drop ids that they have seen."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from kafka import KafkaProducer
from kafka.errors import KafkaError

from experiments.services.streams import OUTBOX_CHANNEL, Envelope, send_enqueued
from streaming.kafka_settings import client_settings
from streaming.topics import REPLAY_OF, Topic

log = logging.getLogger(__name__)

ROWS = 10
PATIENCE_MS = 2_000
WAIT_SECONDS = 0.5
RETRY_SECONDS = 1.0
TURN_LOCK = 0x72656C61
"""Whoever holds it sends: one process, so that the messages of a key stay in order. Others stand by."""


class Relay:
    """Sends what the outbox holds, as soon as it commits, until ``stop`` is set; then what is left, for some seconds.

    A message is deleted once the broker has it: killed in between, the next process sends it again. While the database
    or the broker is away it says so and waits.
    """

    def __init__(self, *, stop: threading.Event) -> None:
        self.stop = stop
        self.producer: Any = None  # kafka-python is not typed
        self.is_listening = False

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self._step()
            except DatabaseError as error:
                self._wait(f"the database is away ({str(error).splitlines()[0]})")
                connection.close()
            except KafkaError as error:
                self._wait(f"the broker did not take all ({error})")
        self._close()

    def _step(self) -> None:
        if not self.is_listening or connection.connection is None or connection.connection.closed:
            self._listen()
        while not self.stop.is_set() and self.send_waiting():
            pass
        # What committed meanwhile is in the driver's backlog: it is not missed.
        with connection.wrap_database_errors:  # the driver's own errors pass Django by here
            for _ in connection.connection.notifies(timeout=WAIT_SECONDS, stop_after=1):
                pass

    def _listen(self) -> None:
        """Take the turn, or wait for it: a database session that ends gives it back."""
        self.is_listening = False
        while not self.stop.is_set():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [TURN_LOCK])
                if cursor.fetchone()[0]:
                    cursor.execute(f"LISTEN {OUTBOX_CHANNEL}")
                    self.is_listening = True
                    log.info("Sending what the outbox holds.")
                    return
            self.stop.wait(RETRY_SECONDS)

    def _wait(self, reason: str) -> None:
        log.warning("Waiting: %s", reason)
        self.is_listening = False
        self.stop.wait(RETRY_SECONDS)

    def _close(self) -> None:
        try:
            if self.is_listening:
                self.send_waiting()
        except (KafkaError, DatabaseError) as error:
            log.warning("What is not sent stays in the outbox: %s", error)
        finally:
            if self.producer is not None:
                self.producer.close(timeout=1)
            connection.close()
        log.info("Stopped.")

    def _connected(self) -> Any:
        if self.producer is None:
            self.producer = KafkaProducer(
                **client_settings(),
                acks="all",
                linger_ms=0,
                batch_size=262_144,
                max_block_ms=PATIENCE_MS,
                delivery_timeout_ms=PATIENCE_MS,
                request_timeout_ms=PATIENCE_MS - 500,
            )
        return self.producer

    def send_waiting(self) -> int:
        """Send the oldest rows; return how many messages they held.

        Raises KafkaError if the broker did not take all: they stay.
        """
        return send_enqueued(send=self._send, limit=ROWS)

    def _send(self, messages: Sequence[Envelope]) -> None:
        producer = self._connected()
        sent = [
            producer.send(
                Topic(each.topic).deployed_name,
                key=each.key.encode(),
                value=each.value,
                headers=[] if each.replay_of is None else [(REPLAY_OF, str(each.replay_of).encode())],
            )
            for each in messages
        ]
        producer.flush(timeout=PATIENCE_MS / 1000)
        for future in sent:
            future.get(timeout=0)
