from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.arguments import a_user
from optimizer.services.promote_forecaster import ForecasterStaysOut, promote_forecaster


class Command(BaseCommand):
    help = (
        "Have a forecaster go live that passed the gate or was live before; with --overrule one that was refused."
        " Repeatable."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("forecaster", type=int, help="the number of the forecaster: 3 for forecaster-3")
        parser.add_argument("--author", type=a_user, help="user name of the person who decided it")
        parser.add_argument("--reason", default="", help="why; kept beside the forecaster")
        parser.add_argument(
            "--overrule", action="store_true", help="though the gate refused it; needs --reason and --author"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        asked = {name: options[name] for name in ("author", "reason", "overrule")}
        try:
            found = promote_forecaster(forecaster_id=options["forecaster"], now=timezone.now(), **asked)
        except ForecasterStaysOut as error:
            raise CommandError(str(error), returncode=2) from error
        code = found.channel.code
        Console(soft_wrap=True).print(f"{found} is live in channel {code} by {found.step}", highlight=False)
        Console(soft_wrap=True).print(
            f"forecast with it: manage.py forecast_demand --channel {code} --step {found.step}", highlight=False
        )
