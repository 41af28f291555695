from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.services.import_week_conditions import WrongConditions, import_week_conditions
from catalog.sku_week_file import SkuWeekFileError, read_sku_weeks

SKUS_NAMED = 5


class Command(BaseCommand):
    help = (
        "Import what else moved weekly demand from a CSV file: sku, week, and promotion (share of the week, 0 to 1),"
        " stocked_out (0 or 1), or both. All or nothing; weeks of SKUs that the channel does not have are left out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            channel = channel_by_code(options["channel"])
            done = import_week_conditions(channel=channel, conditions=read_sku_weeks(options["file"]))
        except (UnknownChannel, SkuWeekFileError, WrongConditions) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{done.kept:,} weeks kept; the next hierarchical fit reads them")
        if strange := done.unknown_skus:
            named = ", ".join(strange[:SKUS_NAMED]) + (", …" if len(strange) > SKUS_NAMED else "")
            self.stderr.write(f"{len(strange):,} SKUs are not in channel {channel.code}: {named}")
