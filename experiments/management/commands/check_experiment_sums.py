from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.selectors.arm_moments import arm_day_faults
from experiments.selectors.experiment_by_code import UnknownExperiment, experiment_by_code
from experiments.services.arm_days import recompute_arm_days

SHOWN = 10


class Command(BaseCommand):
    help = (
        "Compare the sums of a price experiment's arms with what their units add up to; ends with 1 where some differ."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", help="the experiment's code")
        parser.add_argument("--rebuild", action="store_true", help="keep those that were worked out anew")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            experiment = experiment_by_code(options["code"])
        except UnknownExperiment as error:
            raise CommandError(str(error), returncode=2) from error
        if options["rebuild"]:
            rows = recompute_arm_days(experiment=experiment)
            self.stdout.write(f"{rows:,} sums of {experiment.code} were built from the units' days.")
            return
        faults = arm_day_faults(experiment)
        for arm, metric, day in faults[:SHOWN]:
            self.stdout.write(f"{arm}, {metric}, {day}: not the sum of its units.")
        if faults:
            raise CommandError(f"{len(faults):,} sums of {experiment.code} are wrong: --rebuild mends them.")
        self.stdout.write(f"The sums of {experiment.code} are those of its units.")
