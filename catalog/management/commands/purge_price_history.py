import getpass
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from catalog.models import Listing
from catalog.services.purge_price_history import CutOffRefused, purge_price_history


class Command(BaseCommand):
    help = "Remove old rows of the price ledger, so that prices from a day on can still be judged and proven."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--before", type=_day, required=True, help="prices from then on stay judgeable: 2025-01-01")
        parser.add_argument("--by", default=getpass.getuser(), help="who has it done; by default the system's user")

    def handle(self, *args: Any, **options: Any) -> None:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("listings", total=Listing.objects.count())
            try:
                removed = purge_price_history(
                    before=options["before"],
                    made_by=options["by"],
                    now=timezone.now(),
                    progress=lambda done: progress.update(bar, completed=done),
                )
            except CutOffRefused as error:
                raise CommandError(str(error), returncode=2) from error
        anchor = "; take a new anchor: check_ledger --anchor FILE" if removed else ""
        self.stdout.write(f"{removed:,} rows removed{anchor}")


def _day(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day: write it as 2025-01-01") from error
    return moment if moment.tzinfo else timezone.make_aware(moment)
