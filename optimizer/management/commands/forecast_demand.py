from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.models import ForecastStep

EXAMPLES = """examples:
  manage.py forecast_demand
  manage.py forecast_demand --step week --sku 85123A
  manage.py forecast_demand --output forecasts.parquet
"""


class Command(BaseCommand):
    help = "Forecast the demand of all listings of a channel with its live forecaster, and store it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = EXAMPLES
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--step", choices=ForecastStep.values, default=ForecastStep.DAY.value)
        parser.add_argument("--sku", help="show this one's forecast")
        parser.add_argument("--output", type=Path, help="also write the forecasts to a .csv or .parquet file")

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load torch.
        from optimizer.services.channel_sales import NothingToLearnFrom
        from optimizer.services.export_forecasts import CannotExport, export_forecasts, forecast_lines
        from optimizer.services.forecast_demand import NoForecaster, forecast_demand

        output: Path | None = options["output"]
        if output is not None and output.suffix not in {".csv", ".parquet"}:
            raise CommandError(f"--output: {output}: give a file that ends in .csv or .parquet", returncode=2)
        try:
            of = {"channel": channel_by_code(options["channel"]), "step": options["step"]}
            with Console(stderr=True).status("forecast demand") as status:
                stored = forecast_demand(
                    **of,
                    now=timezone.now(),
                    progress=lambda done, rows: status.update(f"{done:,} of {rows:,} forecasts stored"),
                )
            lines = forecast_lines(**of, sku=options["sku"]) if options["sku"] else []
            written = export_forecasts(**of, path=output, sku=options["sku"]) if output else 0
        except (UnknownChannel, NoForecaster, NothingToLearnFrom, CannotExport) as error:
            raise CommandError(str(error), returncode=2) from error
        for line in [f"{stored:,} forecasts by {options['step']} stored", *lines]:
            Console().print(line)
        if output is not None:
            Console().print(f"{written:,} rows written to {output}")
