from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from optimizer.forecast_words import method_words, segment_words
from optimizer.forecaster_gate import RULES
from optimizer.models import DemandForecaster
from optimizer.selectors.forecasts import forecasters


class Command(BaseCommand):
    help = "Judge a forecaster on the last steps, which it did not learn from, beside simple methods and the live one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("forecaster", type=int, help="the number of the forecaster: 3 for forecaster-3")

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load torch.
        from optimizer.services.channel_sales import NothingToLearnFrom
        from optimizer.services.judge_forecaster import CannotJudge, judge_forecaster

        number = options["forecaster"]
        if not forecasters().filter(pk=number).exists():
            raise CommandError(f"no forecaster-{number}: the admin lists those that there are", returncode=2)
        try:
            with Console(stderr=True).status("forecast the held-out steps, and compare"):
                found = judge_forecaster(forecaster_id=number, now=timezone.now())
        except (CannotJudge, NothingToLearnFrom) as error:
            raise CommandError(str(error), returncode=2) from error
        console = Console()
        console.print(_said(found), highlight=False)
        console.print(_table(found))
        console.print(f"The gate: {RULES}.", highlight=False)


def _said(found: DemandForecaster) -> str:
    words = found.verdict.get("words", "it was not judged")
    if found.status != DemandForecaster.Status.CANDIDATE:
        return f"{found} {'is' if found.status == DemandForecaster.Status.LIVE else 'was'} live: {words}"
    return f"{found} {'passes' if found.verdict['passes'] else 'does not pass'}: {words}"


def _table(found: DemandForecaster) -> Table:
    table = Table("products", "method", "weighted quantile loss", "in 80 % intervals", "units", title=str(found))
    for row in found.scores.get("rows", []):
        table.add_row(
            segment_words(row["segment"]).partition(":")[0],
            method_words(row["method"]),
            f"{row['wql']:.3f}",
            f"{row['coverage']:.1%}",
            f"{row['demand']:,.0f}",
        )
    return table
