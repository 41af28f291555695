import logging
import threading
from datetime import timedelta
from itertools import islice
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from kafka import KafkaProducer
from kafka.errors import KafkaError
from rich.console import Console
from rich.progress import Progress

from catalog.selectors.listings import active_listings
from streaming.consumer import missing_in_database
from streaming.kafka_settings import client_settings
from streaming.messages import demand_message
from streaming.simulation import MARKET_START, simulated_demand
from streaming.stopping import event_set_by_signals
from streaming.topics import Topic
from streaming.waiting import wait_until_nothing_is_missing


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # the database need not be there yet
    help = (
        "Send made-up demand events, to see the bandit work: places, demand and supply by the hour of a market's day."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--events", type=int, default=1_000, help="0: until SIGINT or SIGTERM")
        parser.add_argument("--per-second", type=float, default=100)
        parser.add_argument("--day", type=float, default=60, metavar="SECONDS", help="length of the market's day")
        parser.add_argument("--products", type=int, default=20, help="the first so many of the channel")
        parser.add_argument("--wait", action="store_true", help="for the database and products, if there are none yet")
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL)
        parser.add_argument(
            "--seed", type=int, default=0, help="the same seed makes the same events, with the same ids"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("kafka").setLevel(logging.WARNING)
        _require_positive(options)
        stop = event_set_by_signals()
        if options["wait"] and not wait_until_nothing_is_missing(missing_in_database, stop):
            return
        listings = active_listings(channel=options["channel"]).order_by("pk")
        skus = list(listings.values_list("product__sku", flat=True)[: options["products"]])
        if not skus:
            channel = options["channel"]
            raise CommandError(
                f"--channel: {channel!r} has no active products: import a catalogue first.", returncode=2
            )
        events = simulated_demand(
            channel=options["channel"],
            skus=skus,
            rng=np.random.default_rng(options["seed"]),
            start=MARKET_START,
            step=timedelta(days=1) / (options["day"] * options["per_second"]),
        )
        try:
            sent = self._send(islice(events, options["events"] or None), options, stop)
        except KafkaError as error:
            raise CommandError(f"the broker does not take the events: {error}") from error
        self.stdout.write(f"Sent {sent:,} demand events for {len(skus)} products.")

    def _send(self, events: Any, options: dict[str, Any], stop: threading.Event) -> int:
        sent = 0
        producer = KafkaProducer(**client_settings(), linger_ms=20, max_block_ms=10_000)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            for event in progress.track(events, total=options["events"] or None, description="demand events"):
                message = demand_message(event, timezone.now())
                producer.send(Topic.DEMAND_EVENTS.deployed_name, key=message.key.encode(), value=message.value)
                sent += 1
                if stop.wait(1 / options["per_second"]):
                    break
        producer.flush(timeout=10)
        producer.close(timeout=1)
        return sent


def _require_positive(options: dict[str, Any]) -> None:
    for name in ("per_second", "day", "products"):
        if options[name] <= 0:
            raise CommandError(f"--{name.replace('_', '-')} is {options[name]}: give a number above 0", returncode=2)
    if options["events"] < 0:
        raise CommandError(f"--events is {options['events']}: give 0 or more", returncode=2)
