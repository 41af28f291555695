from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.sku_week_file import SkuWeekFileError, read_sku_weeks


class Command(BaseCommand):
    help = "Estimate a channel's price elasticity as a cause: by fixed effects and, with instruments, 2SLS."

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
        # Imported here: `manage.py help` loads every command and need not load torch.
        try:
            from optimizer.services.channel_sales import NothingToLearnFrom
            from optimizer.services.estimate_causal import CannotEstimate, estimate_causal
        except ImportError as error:
            missing = "it needs linearmodels and econml: install the extra `causal`"
            raise CommandError(f"{missing} ({error})", returncode=2) from error

        try:
            instruments = read_sku_weeks(options["instruments"]) if options["instruments"] else None
            report = estimate_causal(
                channel=channel_by_code(options["channel"]),
                instruments=instruments,
                other_channels=options["other_channels"],
            )
        except (UnknownChannel, SkuWeekFileError, NothingToLearnFrom, CannotEstimate) as error:
            raise CommandError(str(error), returncode=2) from error
        console, table = (
            Console(),
            Table("method", "elasticity", "± sd", "95 % interval", "effective F", "robust intervals"),
        )
        for each in report.estimates:
            table.add_row(
                each.method,
                f"{each.elasticity:.3f}",
                f"{each.sd:.3f}",
                _interval(each.interval),
                "" if each.effective_f is None else f"{each.effective_f:,.1f}",
                "" if each.robust_intervals is None else " or ".join(map(_interval, each.robust_intervals)) or "none",
            )
        console.print(table)
        console.print(f"{report.rows:,} weeks of sales; {report.left_out:,} without an instrument are left out")
        for each in report.estimates:
            if each.overidentification is not None:
                console.print(f"Hansen's J: p = {each.overidentification.p_value:.3f}")
            for warning in each.warnings:
                console.print(f"[bold]{warning}[/bold]")


def _interval(ends: tuple[float, float]) -> str:
    low, high = (f"{end:.2f}" if abs(end) < float("inf") else ("−∞" if end < 0 else "∞") for end in ends)
    return f"{low} to {high}"
