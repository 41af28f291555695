from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog.sales_import.reading import SalesFileError
from catalog.selectors.channels import UnknownChannel, channel_by_code

if TYPE_CHECKING:
    import polars as pl

NINETY_PERCENT = 1.6449


def _write(products: "pl.DataFrame", path: Path) -> None:
    try:
        with path.open("wb") as file:
            products.write_csv(file)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}: give a file that can be written", returncode=2) from error


class Command(BaseCommand):
    help = (
        "Estimate how price sensitive customer segments are, from a transaction file with a column that says who"
        " bought."
        " Where large orders get lower prices, that shows as sensitivity. Stores nothing; no price differs by customer."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="as for import_sales")
        parser.add_argument("--column", required=True, help="its column of segments, such as Country")
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--output", type=Path, help="write the elasticities of all products to this CSV file")

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load torch.
        from optimizer.services.estimate_segments import estimate_segments

        try:
            channel = channel_by_code(options["channel"])
            with Console(stderr=True).status("estimate segments"):
                report = estimate_segments(channel=channel, path=options["file"], column=options["column"])
        except (UnknownChannel, SalesFileError) as error:
            raise CommandError(str(error), returncode=2) from error
        if options["output"]:
            _write(report.products, options["output"])
        table = Table(options["column"], "elasticity", "90 % interval", "SKUs", "their weeks")
        for each in report.segments:
            low, high = (each.elasticity + sign * NINETY_PERCENT * each.sd for sign in (-1, 1))
            table.add_row(
                escape(each.name),
                f"{each.elasticity:.2f}",
                f"{low:.2f} to {high:.2f}",
                f"{each.skus:,}",
                f"{each.weeks:,}",
            )
        Console().print(table)
