import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.whole_file import whole_file
from experiments.selectors.bandit_stats import bandit_stats


class Command(BaseCommand):
    help = "Write all that the bandit of a channel has learned to a JSON file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, default=Path("bandit_stats.json"))
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            stats = bandit_stats(channel=channel_by_code(options["channel"]))
        except UnknownChannel as error:
            raise CommandError(str(error), returncode=2) from error
        path: Path = options["file"]
        try:
            with whole_file(path) as beside:
                beside.write_text(json.dumps(stats))
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}: choose another place", returncode=2) from error
        self.stdout.write(f"{path}: {len(stats['arms']):,} arms.")
