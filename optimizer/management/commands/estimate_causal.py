from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.sku_week_file import SkuWeekFileError, read_sku_weeks
from optimizer.causal_words import interval_words
from optimizer.services.open_training import CannotTrain, open_causal
from optimizer.training_command import done_here


class Command(BaseCommand):
    help = (
        "Estimate a channel's price elasticity as a cause: by fixed effects and, with instruments, 2SLS."
        " `fit_elasticities --causal-prior` can begin with it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument(
            "--instruments",
            type=Path,
            help="CSV file with sku, week and a column for each thing that moved prices for reasons other than demand",
        )
        parser.add_argument(
            "--other-channels",
            action="store_true",
            help="use the same product's price in other channels as an instrument",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            instruments = read_sku_weeks(options["instruments"]) if options["instruments"] else None
            job = open_causal(
                channel=channel_by_code(options["channel"]),
                now=timezone.now(),
                instruments=instruments,
                other_channels=options["other_channels"],
            )
        except (UnknownChannel, SkuWeekFileError, CannotTrain) as error:
            raise CommandError(str(error), returncode=2) from error
        _show(done_here(job, doing="estimate").result)


def _show(result: dict[str, Any]) -> None:
    console = Console()
    table = Table("method", "elasticity", "± sd", "95 % interval", "effective F", "robust intervals")
    for each in result["estimates"]:
        robust = each["robust_intervals"]
        table.add_row(
            each["method"],
            f"{each['elasticity']:.3f}",
            f"{each['sd']:.3f}",
            interval_words(each["interval"]),
            "" if each["effective_f"] is None else f"{each['effective_f']:,.1f}",
            "" if robust is None else " or ".join(map(interval_words, robust)) or "none",
        )
    console.print(table)
    console.print(
        f"{result['rows']:,} weeks of sales; {result['left_out']:,} are left out: the last four weeks, by which models "
        "are judged, and those without an instrument",
        soft_wrap=True,
    )
    for each in result["estimates"]:
        if each["overidentification"] is not None:
            console.print(f"Hansen's J: p = {each['overidentification']['p_value']:.3f}")
        for warning in each["warnings"]:
            console.print(f"[bold]{warning}[/bold]")
