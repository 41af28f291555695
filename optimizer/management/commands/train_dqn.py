from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.policy_table import show_scores
from optimizer.policy_words import policy_words
from optimizer.services.open_training import CannotTrain, open_policy
from optimizer.training_command import done_here


class Command(BaseCommand):
    help = (
        "Train a deep Q-network that prices a finite stock over a horizon, on problems like the channel's, and judge it"
        " by the exact optimum of problems that it has not seen. It prices nothing: it is asked beside markdown plans."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--minutes", type=float, default=10.0, help="time to train (default 10)")
        parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default 0)")

        parser.add_argument(
            "--offline",
            action="store_true",
            help="learn from what the channel's markdown plans decided alone, without trust in prices that they never"
            " took",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            job = open_policy(
                channel=channel_by_code(options["channel"]),
                minutes=options["minutes"],
                seed=options["seed"],
                offline=options["offline"],
                now=timezone.now(),
            )
        except (UnknownChannel, CannotTrain) as error:
            raise CommandError(str(error), returncode=2) from error
        policy = done_here(job, doing="learn").policy
        console = Console()
        show_scores(console, policy.scores)
        console.print(policy_words(policy))
