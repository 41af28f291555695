from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.models import ElasticityFit
from optimizer.services.open_training import CannotTrain, open_fit
from optimizer.training_command import done_here


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
        parser.add_argument(
            "--causal-prior",
            action="store_true",
            help="begin with the newest causal estimate by instruments (estimate_causal); for the hierarchical method",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            job = open_fit(
                channel=channel_by_code(options["channel"]),
                now=timezone.now(),
                method=options["method"],
                causal_prior=options["causal_prior"],
            )
        except (UnknownChannel, CannotTrain) as error:
            raise CommandError(str(error), returncode=2) from error
        job = done_here(job, doing="learn elasticities")
        assert job.fit is not None, "a fit that ended well has learned one"
        fit, found = job.fit, job.fit.diagnostics
        Console().print(
            f"{fit}: {found['informed']:,} of {found['listings']:,} SKUs learned from {fit.data_from} to "
            f"{fit.data_to}, mean elasticity {found['mean_elasticity']:.2f}, median sd {found['median_sd']:.2f}; "
            f"{fit.seconds:.2f} s on {fit.device}"
        )
        Console().print(f"It is {'live' if job.result['live'] else 'not live'}: {job.result['words']}.")
