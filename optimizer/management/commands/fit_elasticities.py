from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.models import ElasticityFit


class Command(BaseCommand):
    help = "Learn the elasticities of a channel from its weekly sales, once, and price with them if they are good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument(
            "--method",
            choices=ElasticityFit.Method.values,
            help="independent: each SKU for itself; hierarchical: SKUs share what they know with their category; "
            "otherwise the live model's",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load torch.
        from optimizer.services.channel_sales import NothingToLearnFrom
        from optimizer.services.train_model import train_model

        console = Console(stderr=True)
        try:
            with console.status("learn elasticities"):
                channel = channel_by_code(options["channel"])
                fit, refusal = train_model(channel=channel, now=timezone.now(), method=options["method"])
        except (UnknownChannel, NothingToLearnFrom) as error:
            raise CommandError(str(error), returncode=2) from error
        found = fit.diagnostics
        Console().print(
            f"{fit}: {found['informed']:,} of {found['listings']:,} SKUs learned from {fit.data_from} to "
            f"{fit.data_to}, mean elasticity {found['mean_elasticity']:.2f}, median sd {found['median_sd']:.2f}; "
            f"{fit.seconds:.2f} s on {fit.device}"
        )
        Console().print(f"It is live: {fit.verdict['words']}." if refusal is None else f"It is not live: {refusal}.")
