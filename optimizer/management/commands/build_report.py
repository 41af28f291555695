from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.whole_file import whole_file
from optimizer.models import OptimizationRun


class Command(BaseCommand):
    help = "Write the report of a channel's newest finished run as one self-contained HTML page."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("output", type=Path, help="the page to write")
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load matplotlib.
        from optimizer.report.page import render_report

        try:
            channel = channel_by_code(options["channel"])
        except UnknownChannel as error:
            raise CommandError(str(error), returncode=2) from error
        runs = OptimizationRun.objects.filter(channel=channel, finished_at__isnull=False).exclude(guard_numbers={})
        run = runs.select_related("fit", "channel").order_by("-created_at").first()
        if run is None:
            raise CommandError(
                f"channel {channel.code!r} has no finished run: run `manage.py optimize_prices` first", returncode=2
            )
        write_whole(options["output"], render_report(run=run))
        self.stdout.write(f"report: {options['output']}")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as beside:
        beside.write_text(text)
