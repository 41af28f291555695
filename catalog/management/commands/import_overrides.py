from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from catalog.arguments import a_user
from catalog.models import Channel
from catalog.money import amount_text
from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.services.import_overrides import (
    FileOutcome,
    FileRow,
    OverrideFileError,
    import_overrides,
    preview_overrides,
)

ROWS_SHOWN = 50


class Command(BaseCommand):
    help = (
        "Show what the overrides and promotions in a CSV file would change; with --apply schedule them. Good rows are"
        " kept; bad rows go to an error file with row, field and cure, which can be mended and given back."
        " Columns: sku, price, starts_at, ends_at, time_zone, kind (override or promotion), reason."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument(
            "--apply", action="store_true", help="schedule the good rows; without it nothing is written"
        )
        parser.add_argument("--author", type=a_user, metavar="USERNAME", help="whose overrides they are")
        parser.add_argument("--errors", type=Path, help="where bad rows go (default: FILE.errors.csv)")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            channel = channel_by_code(options["channel"])
            outcome = self._outcome(channel, path.read_bytes(), options)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}: give a file that can be read.", returncode=2) from error
        except (OverrideFileError, UnknownChannel) as error:
            raise CommandError(str(error), returncode=2) from error
        if not options["apply"]:
            Console().print(_preview(outcome, channel))
        self.stdout.write(_summary(outcome, applied=options["apply"]))
        if outcome.bad:
            errors = options["errors"] or path.with_name(f"{path.name}.errors.csv")
            errors.write_text(outcome.errors_csv())
            raise CommandError(f"{len(outcome.bad)} of {len(outcome.rows)} rows are bad: see {errors}.", returncode=2)

    def _outcome(self, channel: Channel, content: bytes, options: dict[str, Any]) -> FileOutcome:
        if not options["apply"]:
            return preview_overrides(channel=channel, content=content, now=timezone.now())
        return import_overrides(channel=channel, content=content, now=timezone.now(), author=options["author"])


def _summary(outcome: FileOutcome, *, applied: bool) -> str:
    what = "scheduled" if applied else "can be scheduled; nothing was written"
    return f"{len(outcome.good)} {what}; {len(outcome.known)} were scheduled before; {len(outcome.bad)} bad"


def _preview(outcome: FileOutcome, channel: Channel) -> Table:
    table = Table("row", "sku", "price now", "price then", "margin then", "verdict")
    for row in outcome.rows[:ROWS_SHOWN]:
        table.add_row(str(row.number), row.texts.get("sku", ""), *_figures(row, channel), _verdict(row))
    if len(outcome.rows) > ROWS_SHOWN:
        table.caption = f"the first {ROWS_SHOWN} of {len(outcome.rows)} rows"
    return table


def _figures(row: FileRow, channel: Channel) -> tuple[str, str, str]:
    listing = row.checked.listing if row.checked else None
    then = row.texts.get("price", "")
    if listing is None or row.request is None:
        return "", then, ""
    now, cost, price = listing.price_in_force, listing.unit_cost, row.request.price
    exponent = channel.currency_exponent
    margin = f"{(price - cost) / price:.1%}" if cost else "cost unknown"
    return amount_text(now, exponent), amount_text(price, exponent), margin


def _verdict(row: FileRow) -> str:
    if row.override is not None:
        return f"was scheduled before ({row.override.get_status_display()})"
    return "; ".join(f"{error.field}: {error.message}" for error in row.errors) or "good"
