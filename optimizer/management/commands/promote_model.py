from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.arguments import a_user
from optimizer.services.promote_fit import NotPromoted, promote_fit


class Command(BaseCommand):
    help = "Have a model of demand go live that was judged and passed. Repeatable."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", type=int, help="the number of the fit: 3 for elasticity-3")
        parser.add_argument("--author", type=a_user, help="user name of the person who decided it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            fit = promote_fit(fit_id=options["model"], author=options["author"], now=timezone.now())
        except NotPromoted as error:
            raise CommandError(str(error), returncode=2) from error
        Console().print(f"{fit} is live in channel {fit.channel.code}", highlight=False)
