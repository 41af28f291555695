from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from streaming.kafka_settings import require_brokers
from streaming.outcome_simulator import OutcomeSimulator
from streaming.simulation import Shoppers
from streaming.stopping import event_set_by_signals


def a_share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text} is no share: give a number from 0 to 1")
    return value


def seconds(text: str) -> float:
    value = float(text)
    if value < 0:
        raise ArgumentTypeError(f"{text} is negative: give seconds, 0 or more")
    return value


class Command(BaseCommand):
    help = "Answer every pricing decision as a made-up shopper, until SIGINT or SIGTERM; say how good the prices were."
    requires_system_checks: list[str] = []  # it needs no database

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--decisions", type=int, help="stop after so many")
        parser.add_argument("--seed", type=int, default=0, help="of the hidden demand and of every answer")
        parser.add_argument("--delay", type=seconds, default=0.0, help="mean seconds between decision and answer")
        parser.add_argument("--drift", type=float, default=0.0, help="move of demand a day, as a share of the price")
        parser.add_argument("--jump", type=float, default=0.0, help="move of demand at once, as a share of the price")
        parser.add_argument("--jump-after", type=seconds, default=60.0, help="seconds from now to the jump")
        parser.add_argument("--lost", type=a_share, default=0.0, help="share of answers that never come")
        parser.add_argument("--doubled", type=a_share, default=0.0, help="share of answers that come twice")

    def handle(self, *args: Any, **options: Any) -> None:
        require_brokers()
        now = timezone.now()
        shoppers = Shoppers(
            seed=options["seed"],
            delay_seconds=options["delay"],
            drift_a_day=options["drift"],
            since=now,
            jump=options["jump"],
            jump_at=now + timedelta(seconds=options["jump_after"]),
            lost=options["lost"],
            doubled=options["doubled"],
        )
        simulator = OutcomeSimulator(shoppers, stop=event_set_by_signals(), limit=options["decisions"])
        simulator.run()
        score = simulator.score
        self.stdout.write(
            f"Answered {simulator.answered:,} decisions. At the best price: {score.best_share:.1%} of the last "
            f"{len(score.last):,}; lost against always the best: {score.regret:.1%} of the reward."
        )
