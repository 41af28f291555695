from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.selectors.channels import UnknownChannel, channel_by_code


class Command(BaseCommand):
    help = "Learn the price elasticities of a channel from its weekly sales. The same sales are fitted once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load torch.
        from optimizer.services.fit_elasticities import NothingToLearnFrom, fit_channel

        console = Console(stderr=True)
        try:
            with console.status("learn elasticities"):
                fit = fit_channel(channel=channel_by_code(options["channel"]), now=timezone.now())
        except (UnknownChannel, NothingToLearnFrom) as error:
            raise CommandError(str(error), returncode=2) from error
        found = fit.diagnostics
        Console().print(
            f"{fit}: {found['informed']:,} of {found['listings']:,} SKUs learned from {fit.data_from} to "
            f"{fit.data_to}, mean elasticity {found['mean_elasticity']:.2f}, median sd {found['median_sd']:.2f}; "
            f"{fit.seconds:.2f} s on {fit.device}"
        )
