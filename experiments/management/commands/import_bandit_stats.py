import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.services.bandit_stats import UnusableStats, import_bandit_stats


class Command(BaseCommand):
    help = "Take over what export_bandit_stats wrote: all of it or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, default=Path("bandit_stats.json"))
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("--add", action="store_true", help="to what is known here; twice, it counts twice")
        choice.add_argument("--replace", action="store_true", help="what is known here of the arms in the file")

    def handle(self, *args: Any, **options: Any) -> None:
        existing = "add" if options["add"] else "replace" if options["replace"] else "refuse"
        path: Path = options["file"]
        try:
            arms = import_bandit_stats(stats=json.loads(path.read_text()), existing=existing)
        except OSError as error:
            raise CommandError(
                f"{path}: {error.strerror}: give a file that export_bandit_stats wrote", returncode=2
            ) from error
        except (UnusableStats, ValueError, RecursionError) as error:
            raise CommandError(f"{path}: {error}", returncode=2) from error
        self.stdout.write(f"{path}: {arms:,} arms taken over. run_bandit uses them with its next plan.")
