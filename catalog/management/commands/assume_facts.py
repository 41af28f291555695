from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.services.assume_facts import assume_missing_facts


class Command(BaseCommand):
    help = "Make up missing costs, stock, competitor offers and categories for a demo; all are marked as assumed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            channel = channel_by_code(options["channel"])
        except UnknownChannel as error:
            raise CommandError(str(error), returncode=2) from error
        facts = assume_missing_facts(channel=channel, now=timezone.now())
        Console().print(
            f"assumed: {facts.costs:,} costs ({facts.without_cost:,} SKUs left without one), "
            f"{facts.inventories:,} stocks, {facts.offers:,} competitor offers, {facts.categories:,} categories"
        )
