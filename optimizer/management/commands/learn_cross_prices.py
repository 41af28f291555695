from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.cross_words import pairs_words
from optimizer.services.open_training import CannotTrain, open_cross
from optimizer.training_command import done_here


class Command(BaseCommand):
    help = (
        "Learn from a channel's sales which products of a category take sales from each other, and how many:"
        " runs with goals count it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            job = open_cross(channel=channel_by_code(options["channel"]), now=timezone.now())
        except (UnknownChannel, CannotTrain) as error:
            raise CommandError(str(error), returncode=2) from error
        _show(done_here(job, doing="learn").result)


def _show(result: dict[str, Any]) -> None:
    console = Console()
    if result["strongest"]:
        table = Table("demand of", "in the price of", "elasticity", "± sd")
        for demand, price, mean, sd in result["strongest"]:
            table.add_row(demand, price, f"{mean:+.2f}", f"{sd:.2f}")
        console.print(table)
    console.print(pairs_words(result))
