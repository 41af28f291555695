from collections.abc import Iterable

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from streaming.kafka_settings import client_settings

ASK_MILLISECONDS = 1_000


def ask_broker_to_create(topics: Iterable[str]) -> None:
    """Name the topics as a producer does: brokers that create topics by themselves create them then.

    Takes at most a second a topic; whether they came into being, the caller looks. Raises KafkaError without a broker.
    """
    producer = KafkaProducer(**client_settings(), max_block_ms=ASK_MILLISECONDS)
    try:
        for topic in topics:
            producer.partitions_for(topic)
    except KafkaTimeoutError:
        pass  # this broker leaves it to its operators
    finally:
        producer.close(timeout=1)
