"""The outbox to Kafka: every message at least once, in order of its commit; receivers drop ids that they have seen."""

import json
from collections.abc import Sequence

from kafka import KafkaProducer

from experiments.services.streams import Envelope, send_enqueued
from streaming.kafka_settings import client_settings
from streaming.topics import Topic

BATCH = 1_000
PATIENCE_SECONDS = 3.0


class Relay:
    """Sends what the outbox holds. ``send_waiting`` blocks until the broker has it, some seconds at most."""

    def __init__(self) -> None:
        self.producer = KafkaProducer(
            **client_settings(),
            acks="all",
            linger_ms=5,
            max_block_ms=int(PATIENCE_SECONDS * 1000),
            delivery_timeout_ms=int(PATIENCE_SECONDS * 1000),
            request_timeout_ms=int(PATIENCE_SECONDS * 1000) - 500,
        )

    def send_waiting(self) -> int:
        """Send up to one batch; return how many. Raises KafkaError if the broker did not take all: they stay."""
        return send_enqueued(send=self._send, limit=BATCH)

    def _send(self, messages: Sequence[Envelope]) -> None:
        sent = [
            self.producer.send(
                Topic(each.topic).deployed_name, key=each.key.encode(), value=json.dumps(each.payload).encode()
            )
            for each in messages
        ]
        self.producer.flush(timeout=PATIENCE_SECONDS)
        for future in sent:
            future.get(timeout=0)

    def close(self) -> None:
        self.producer.close(timeout=1)
