import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.arguments import a_user
from experiments.plan_tables import plan_tables
from experiments.selectors.experiment_by_code import UnknownExperiment, experiment_by_code
from experiments.services.lifecycle import CannotRun, NeedsSecondPerson, WrongState
from experiments.services.start_experiment import start_experiment


class Command(BaseCommand):
    help = "Start a price experiment that is in review: its arms are served from now on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code")
        parser.add_argument("--author", type=a_user, metavar="USERNAME", help="the person who starts it")

    def handle(self, *args: Any, **options: Any) -> None:
        person = options["author"]
        by = person.get_username() if person else f"command, {getpass.getuser()}"
        try:
            row = experiment_by_code(options["code"])
            row = start_experiment(experiment=row.pk, by=by, person=person, now=timezone.now())
        except (UnknownExperiment, WrongState, CannotRun, NeedsSecondPerson) as error:
            raise CommandError(str(error), returncode=2) from error
        Console().print(plan_tables(row))
        self.stdout.write(f"{row.code} runs: stop it with manage.py experiment_stop {row.code} --reason …")
