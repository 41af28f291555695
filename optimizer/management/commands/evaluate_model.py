from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from optimizer.model_argument import add_model_argument, required_model
from optimizer.report.validation_tables import validation_tables
from optimizer.selectors.live_models import live_fit
from optimizer.selectors.model_validation import validation_words


class Command(BaseCommand):
    help = "Judge a model of demand against the live one, by the price changes of the last four weeks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_model_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load torch.
        from optimizer.services.channel_sales import NothingToLearnFrom
        from optimizer.services.evaluate_fit import evaluate_fit

        fit = required_model(options["model"])
        try:
            with Console(stderr=True).status("learn again without the last weeks, and compare"):
                fit = evaluate_fit(fit=fit, now=timezone.now())
        except NothingToLearnFrom as error:
            raise CommandError(str(error), returncode=2) from error
        if fit == live_fit(channel=fit.channel):
            said = "is live"
        else:
            said = f"{'passes' if fit.verdict['passes'] else 'does not pass'}: {fit.verdict['words']}"
        console = Console()
        console.print(f"{fit} {said}", highlight=False)
        for sentence in validation_words(fit.verdict):
            console.print(sentence, highlight=False)
        for table in validation_tables(fit.verdict):
            console.print(table)
