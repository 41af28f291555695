from typing import Any

from django.core.management.base import BaseCommand

from streaming.kafka_settings import require_brokers
from streaming.relay import Relay
from streaming.stopping import event_set_by_signals


class Command(BaseCommand):
    help = (
        "Send to Kafka what the outbox holds, as soon as it commits, until SIGINT or SIGTERM. A second one stands by."
    )
    requires_system_checks: list[str] = []  # the database need not be there yet

    def handle(self, *args: Any, **options: Any) -> None:
        require_brokers()
        Relay(stop=event_set_by_signals()).run()
