import json
from itertools import islice
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from kafka import KafkaProducer

from catalog.selectors.listings import active_listings
from streaming.kafka_settings import client_settings
from streaming.simulation import simulated_demand
from streaming.stopping import event_set_by_signals
from streaming.topics import Topic


class Command(BaseCommand):
    help = "Send made-up demand events, to see the bandit work."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--events", type=int, default=1_000)
        parser.add_argument("--per-second", type=float, default=100)
        parser.add_argument("--products", type=int, default=20, help="the first so many of the channel")
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL)
        parser.add_argument(
            "--seed", type=int, default=0, help="the same seed makes the same events, with the same ids"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        listings = active_listings(channel=options["channel"]).order_by("pk")
        skus = list(listings.values_list("product__sku", flat=True)[: options["products"]])
        if not skus:
            raise CommandError(f"The channel {options['channel']!r} has no active products: import a catalogue first.")
        stop = event_set_by_signals()
        producer = KafkaProducer(**client_settings(), linger_ms=20, max_block_ms=10_000)
        events = simulated_demand(channel=options["channel"], skus=skus, rng=np.random.default_rng(options["seed"]))
        sent = 0
        for event in islice(events, options["events"]):
            payload = event | {"occurred_at": timezone.now().isoformat()}
            producer.send(
                Topic.DEMAND_EVENTS.deployed_name, key=event["event_id"].encode(), value=json.dumps(payload).encode()
            )
            sent += 1
            if stop.wait(1 / options["per_second"]):
                break
        producer.flush(timeout=10)
        producer.close(timeout=1)
        self.stdout.write(f"Sent {sent:,} demand events for {len(skus)} products.")
