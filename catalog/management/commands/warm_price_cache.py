from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.progress import Progress, TaskID

from catalog.models import Channel, Listing
from catalog.services.served_records import forget_everything, warm_served_records


class Command(BaseCommand):
    help = "Write the served record of every active SKU to the cache."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--forget",
            action="store_true",
            help="first make every process forget all cached prices: after a restore, or changes by SQL",
        )

    def handle(self, *args: Any, forget: bool, **options: Any) -> None:
        if forget:
            forget_everything()
        written = wanted = 0
        with Progress(console=Console(stderr=True), transient=True) as progress:
            for code in Channel.objects.values_list("code", flat=True):
                listings = Listing.objects.filter(channel__code=code, product__is_active=True).count()
                bar = progress.add_task(code, total=listings)
                written += warm_served_records(channel=code, progress=partial(_show, progress, bar))
                wanted += listings
        self.stdout.write(f"{written:,} of {wanted:,} records written" + ("" if written else ": does Redis answer?"))


def _show(progress: Progress, bar: TaskID, written: int) -> None:
    progress.update(bar, completed=written)
