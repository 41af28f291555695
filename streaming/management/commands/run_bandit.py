import gc
import logging
import sys
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from streaming.background import ChildChores
from streaming.consumer import BanditStream
from streaming.kafka_settings import require_brokers
from streaming.metrics import StreamMetrics
from streaming.stopping import event_set_by_signals

SWITCH_SECONDS = 0.0005


class Command(BaseCommand):
    help = "Decide prices for demand events and learn from their outcomes, until SIGINT or SIGTERM."
    requires_system_checks: list[str] = []  # the database need not be there yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, help="of the arms that are drawn; different at every start by default")
        parser.add_argument(
            "--session-timeout", type=float, default=10, metavar="SECONDS",
            help="after which another process takes the partitions of one that was killed",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        require_brokers()
        logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)  # it warns whenever another thread has its turn
        metrics = StreamMetrics(max_lag=settings.STREAM_MAX_LAG)
        if settings.STREAM_METRICS_PORT:
            metrics.serve(settings.STREAM_METRICS_PORT)
        stream = BanditStream(
            metrics=metrics,
            stop=event_set_by_signals(),
            rng=np.random.default_rng(options["seed"]),
            session_timeout_seconds=options["session_timeout"],
            chores=ChildChores(),
        )
        # The loop gives its turn up at every statement; it must not wait 5 ms, the default, to get it back each time.
        sys.setswitchinterval(SWITCH_SECONDS)
        # What is loaded by now stays: a full collection would go through it, for tens of milliseconds.
        gc.collect()
        gc.freeze()
        stream.run()
