import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from kafka import KafkaConsumer, KafkaProducer

from streaming.kafka_settings import client_settings
from streaming.simulation import simulated_outcome
from streaming.stopping import event_set_by_signals
from streaming.topics import Topic


class Command(BaseCommand):
    help = "Answer every pricing decision as a made-up shopper, until SIGINT or SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--decisions", type=int, help="stop after so many")
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        stop = event_set_by_signals()
        consumer = KafkaConsumer(
            Topic.PRICING_DECISIONS.deployed_name,
            **client_settings(),
            group_id=f"{settings.KAFKA_TOPIC_PREFIX}simulated-shoppers",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )
        producer = KafkaProducer(**client_settings(), linger_ms=20, max_block_ms=10_000)
        answered: set[str] = set()  # a decision may arrive twice
        while not stop.is_set() and len(answered) != options["decisions"]:
            for records in consumer.poll(timeout_ms=500).values():
                for decision in (json.loads(record.value) for record in records):
                    if decision["decision_id"] not in answered:
                        answered.add(decision["decision_id"])
                        outcome = simulated_outcome(decision, seed=options["seed"], now=timezone.now())
                        producer.send(
                            Topic.PRICING_OUTCOMES.deployed_name,
                            key=decision["decision_id"].encode(),
                            value=json.dumps(outcome).encode(),
                        )
        producer.flush(timeout=5)
        producer.close(timeout=1)
        consumer.close(timeout_ms=2_000)
        self.stdout.write(f"Answered {len(answered):,} decisions.")
