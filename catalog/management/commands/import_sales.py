from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from catalog.sales_import.reading import SalesFileError
from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.services.import_sales import ImportOutcome, import_sales


class Command(BaseCommand):
    help = "Import a transaction file (CSV or Parquet) into products, list prices and weekly sales. All or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--rejects", type=Path, help="where to write rejected rows (default: FILE.rejected.csv)")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        console = Console(stderr=True)
        try:
            with console.status("import") as status:
                outcome = import_sales(
                    path=path,
                    channel=channel_by_code(options["channel"]),
                    rejects_path=options["rejects"] or path.with_name(f"{path.name}.rejected.csv"),
                    now=timezone.now(),
                    progress=lambda stage: status.update(f"import: {stage}"),
                )
        except (SalesFileError, UnknownChannel) as error:
            raise CommandError(str(error), returncode=2) from error
        Console().print(_summary(outcome))


def _summary(outcome: ImportOutcome) -> Table:
    done = outcome.sales_import
    title = f"{done.file_name}: imported" if outcome.is_new else f"{done.file_name}: was imported before, nothing to do"
    table = Table("rows", "count", title=title, title_justify="left")
    table.add_row("read", f"{done.rows_read:,}")
    table.add_row("kept", f"{done.rows_kept:,}")
    for reason, count in done.rejected.items():
        table.add_row(f"rejected: {reason}", f"{count:,}")
    table.add_row("products", f"{done.products:,}")
    table.add_row("weeks", f"{done.weeks:,}")
    if outcome.rejects_path:
        table.caption = f"rejected rows: {outcome.rejects_path}"
    return table
