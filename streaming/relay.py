"""The outbox to Kafka: every message at least once, in order of its commit; receivers drop ids that they have seen."""

from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer

from experiments.services.streams import Envelope, send_enqueued
from streaming.kafka_settings import client_settings
from streaming.topics import REPLAY_OF, Topic

ROWS = 10
PATIENCE_MS = 2_000


class Relay:
    """Sends what the outbox holds. ``send_waiting`` blocks until the broker has it, some seconds at most."""

    def __init__(self) -> None:
        self.producer: Any = None  # kafka-python is not typed

    def _connected(self) -> Any:
        if self.producer is None:
            self.producer = KafkaProducer(
                **client_settings(),
                acks="all",
                linger_ms=5,
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

    def close(self) -> None:
        if self.producer is not None:
            self.producer.close(timeout=1)
