import logging
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError


def client_settings() -> dict[str, Any]:
    """What every Kafka client of ours is given; it asks 3 s for a broker before it gives up."""
    return {
        "bootstrap_servers": settings.KAFKA_BOOTSTRAP_SERVERS.split(","),
        "api_version": settings.KAFKA_API_VERSION,
        "bootstrap_timeout_ms": 3_000,
        "reconnect_backoff_max_ms": 1_000,
        "metadata_max_age_ms": 10_000,  # topics and partitions that come later are found within this time
    }


def require_brokers() -> None:
    """Raise CommandError where no broker is named; let the client's own log say only what matters."""
    if not settings.KAFKA_BOOTSTRAP_SERVERS:
        raise CommandError(
            "KAFKA_BOOTSTRAP_SERVERS is not set: give host:port, or start through `make run`.", returncode=2
        )
    logging.getLogger("kafka").setLevel(logging.WARNING)
