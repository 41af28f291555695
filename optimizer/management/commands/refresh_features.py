from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.services.refresh_features import RefreshUnderWay, refresh_features


class Command(BaseCommand):
    help = "Refresh the features of a channel: record changed facts, move windows on, write online values. Repeatable."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")

    def handle(self, *args: Any, **options: Any) -> None:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("refresh features", total=None)
            try:
                done = refresh_features(
                    channel=channel_by_code(options["channel"]),
                    progress=lambda completed, total: progress.update(bar, completed=completed, total=total),
                )
            except (UnknownChannel, RefreshUnderWay) as error:
                raise CommandError(str(error), returncode=2) from error
        self.stdout.write(
            f"features: {done.listings:,} listings, {done.snapshots:,} changes recorded, {done.served:,} online records"
        )
        if done.served < done.listings:
            self.stderr.write("Redis did not take all records: Postgres answers for those until the next refresh.")
