import logging
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from streaming.relay import Relay
from streaming.stopping import event_set_by_signals


class Command(BaseCommand):
    help = (
        "Send to Kafka what the outbox holds, as soon as it commits, until SIGINT or SIGTERM. A second one stands by."
    )
    requires_system_checks: list[str] = []  # the database need not be there yet

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.KAFKA_BOOTSTRAP_SERVERS:
            raise CommandError(
                "KAFKA_BOOTSTRAP_SERVERS is not set: give host:port, or start through `make run`.", returncode=2
            )
        logging.getLogger("kafka").setLevel(logging.WARNING)
        Relay(stop=event_set_by_signals()).run()
