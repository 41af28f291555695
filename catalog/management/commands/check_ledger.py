from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from catalog.models import Channel, LedgerPurge, Listing
from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.selectors.ledger_anchor import LedgerAnchor, anchor_holds, ledger_anchor
from catalog.selectors.ledger_faults import ledger_faults


class Command(BaseCommand):
    help = "Check that no row of the price ledger was changed, removed or exchanged; exit code 1 where one was."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", help="channel code; without it, all channels")
        parser.add_argument("--since", type=_moment, help="only changes since then: 2026-11-01T00:00+00:00")
        parser.add_argument("--anchor", type=Path, metavar="FILE", help="write a digest of all listings' last rows")
        parser.add_argument(
            "--verify-anchor", type=Path, metavar="FILE", help="prove that what was there at an anchor still is"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        channel = _channel(options["channel"])
        anchor = _read(options["verify_anchor"]) if options["verify_anchor"] else None
        faults = self.print_faults(channel, options["since"])
        if anchor and not anchor_holds(anchor):
            faults += 1
            self.stdout.write(
                f"the rows up to {anchor.last_row:,} are not those of the anchor of {anchor.taken_at}{_hint(anchor)}"
            )
        if faults:
            raise CommandError(f"{faults:,} faults: do not mend them, keep the database and look at backups")
        self.stdout.write("the ledger is whole" + (f", and holds the anchor of {anchor.taken_at}" if anchor else ""))
        if options["anchor"]:
            self.write_anchor(options["anchor"])

    def print_faults(self, channel: Channel | None, since: datetime | None) -> int:
        listings = Listing.objects.filter(**{"channel": channel} if channel else {})
        listings = listings.filter(price_since__gte=since) if since else listings
        faults = 0
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("listings", total=listings.count())
            for fault in ledger_faults(
                channel=channel, since=since, progress=lambda done: progress.update(bar, completed=done)
            ):
                faults += 1
                row = "no row" if fault.row_id is None else f"row {fault.row_id}"
                self.stdout.write(f"{fault.sku} in {fault.channel}, version {fault.version}, {row}: {fault.problem}")
        return faults

    def write_anchor(self, path: Path) -> None:
        try:
            anchor = ledger_anchor(now=timezone.now())
            path.write_text(anchor.as_json())
        except OperationalError as error:
            raise CommandError("prices are being published: take the anchor again in a moment", returncode=2) from error
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}", returncode=2) from error
        self.stdout.write(f"anchor of {anchor.heads:,} listings written to {path}; keep it away from this database")


def _hint(anchor: LedgerAnchor) -> str:
    purged = LedgerPurge.objects.filter(made_at__gte=datetime.fromisoformat(anchor.taken_at)).exists()
    return "; rows were purged since: give an anchor taken after that" if purged else ""


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no time: write it as 2026-11-01T00:00+00:00") from error
    return moment if moment.tzinfo else timezone.make_aware(moment)


def _channel(code: str | None) -> Channel | None:
    try:
        return channel_by_code(code) if code else None
    except UnknownChannel as error:
        raise CommandError(str(error), returncode=2) from error


def _read(path: Path) -> LedgerAnchor:
    try:
        return LedgerAnchor.from_json(path.read_text())
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}", returncode=2) from error
    except ValueError as error:
        raise CommandError(f"{path}: {error}", returncode=2) from error
