from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.offer_file import OfferFileError, RejectsFileError

if TYPE_CHECKING:
    from optimizer.services.import_competitor_prices import OffersImported


class Command(BaseCommand):
    help = (
        "Import competitors' offers from a CSV file with the columns competitor, price, observed_at (ISO, with its"
        " zone), and sku, gtin or name. Good rows are kept, in one transaction; the others go to a file with row and"
        " reason, which can be mended and given back. The same file again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--rejects", type=Path, help="where to write rejected rows (default: FILE.rejected.csv)")

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load torch.
        from optimizer.services.import_competitor_prices import import_competitor_prices

        path: Path = options["file"]
        rejects: Path = options["rejects"] or path.with_name(f"{path.name}.rejected.csv")
        try:
            with Console(stderr=True).status("read, match and store offers"):
                outcome = import_competitor_prices(
                    channel=channel_by_code(options["channel"]), path=path, rejects=rejects, now=timezone.now()
                )
        except (OfferFileError, RejectsFileError, UnknownChannel) as error:
            raise CommandError(str(error), returncode=2) from error
        table = _summary(path, outcome)
        if outcome.rejected:
            table.caption = f"rejected rows: {rejects}"
        Console().print(table)
        if not outcome.kept:
            raise CommandError(f"{path}: no row was kept: {_cure(outcome, rejects)}", returncode=2)


def _cure(outcome: "OffersImported", rejects: Path) -> str:
    return f"see {rejects} for the reasons" if outcome.rejected else "the file has a header but no rows"


def _summary(path: Path, outcome: "OffersImported") -> Table:
    table = Table("rows", "count", title=path.name, title_justify="left")
    table.add_row("read", f"{len(outcome.rows):,}")
    table.add_row("kept", f"{len(outcome.kept):,}")
    table.add_row("of them new", f"{sum(row.is_new for row in outcome.kept):,}")
    for by, count in outcome.matched_by().items():
        table.add_row(f"kept by {by}", f"{count:,}")
    for reason, count in outcome.rejected_by_reason().items():
        table.add_row(f"rejected: {reason}", f"{count:,}")
    return table
