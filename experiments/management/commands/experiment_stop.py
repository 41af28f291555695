import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from experiments.selectors.experiment_by_code import UnknownExperiment, experiment_by_code
from experiments.services.lifecycle import WrongState
from experiments.services.stop_experiment import stop_experiment


class Command(BaseCommand):
    help = "Stop a price experiment: the prices in force are served again at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code")
        parser.add_argument("--reason", required=True, help="why; kept with the experiment")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            row = experiment_by_code(options["code"])
            stop_experiment(
                experiment=row.pk,
                by=f"command, {getpass.getuser()}",
                reason=options["reason"],
                now=timezone.now(),
            )
        except (UnknownExperiment, WrongState) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{row.code} is stopped: decide it with manage.py experiment_decide {row.code}")
