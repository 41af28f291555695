from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.models import ForecastStep
from optimizer.services.open_training import DEFAULT_MINUTES, NETWORKS, CannotTrain, open_forecaster
from optimizer.training_command import done_here

EXAMPLES = """examples:
  manage.py train_forecaster
  manage.py train_forecaster --step week --network lstm --minutes 3 --seed 7
"""


class Command(BaseCommand):
    help = "Learn to forecast a channel's demand, have the forecaster go live if it is good, and forecast all listings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = EXAMPLES
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--step", choices=ForecastStep.values, default=ForecastStep.DAY.value)
        parser.add_argument("--network", choices=NETWORKS, default=NETWORKS[0])
        parser.add_argument(
            "--minutes", type=float, default=DEFAULT_MINUTES, help=f"it may learn for at most ({DEFAULT_MINUTES:g})"
        )
        parser.add_argument("--seed", type=int, default=0, help="of everything random (0)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            job = open_forecaster(
                channel=channel_by_code(options["channel"]),
                now=timezone.now(),
                step=options["step"],
                network=options["network"],
                minutes=options["minutes"],
                seed=options["seed"],
            )
        except (UnknownChannel, CannotTrain) as error:
            raise CommandError(str(error), returncode=2) from error
        job = done_here(job, doing="learn to forecast demand")
        found, result = job.forecaster, job.result
        Console().print(
            f"{found}: learned by {found.step} from {found.data_from} to {found.data_to} in {found.seconds:.0f} s on "
            f"{found.device}; {result['forecasts']:,} forecasts stored"
        )
        Console().print(f"It is {'live' if result['live'] else 'not live'}: {result['words']}.")
