import getpass
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.arguments import a_user
from catalog.plain_words import refusal_words
from experiments.models import ExperimentArm, PriceExperiment
from experiments.selectors.experiment_by_code import UnknownExperiment, experiment_by_code
from experiments.services.decide_experiment import decide_experiment, promote_arm
from experiments.services.lifecycle import CannotRun, WrongState

WITHOUT_PRICES = [PriceExperiment.Decision.KEPT.value, PriceExperiment.Decision.INCONCLUSIVE.value]


class Command(BaseCommand):
    help = "Decide a price experiment that was stopped: promote an arm's prices, keep those in force, or leave it open."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--promote", metavar="ARM", help="its prices become the prices in force, through the gate")
        what.add_argument("--decision", choices=WITHOUT_PRICES, help="no price moves")
        parser.add_argument("--author", type=a_user, metavar="USERNAME", help="the person who decides")

    def handle(self, *args: Any, **options: Any) -> None:
        person = options["author"]
        by = person.get_username() if person else f"command, {getpass.getuser()}"
        now = timezone.now()
        try:
            row = experiment_by_code(options["code"])
            if options["decision"]:
                decision = PriceExperiment.Decision(options["decision"])
                decide_experiment(experiment=row.pk, decision=decision, by=by, now=now)
                self.stdout.write(f"{row.code} is decided: {decision.label}")
                return
            done = promote_arm(experiment=row.pk, arm=options["promote"], by=by, person=person, now=now)
        except ExperimentArm.DoesNotExist as error:
            names = ", ".join(row.arms.values_list("name", flat=True))
            raise CommandError(
                f"--promote: no arm {options['promote']!r}: give one of {names}", returncode=2
            ) from error
        except (UnknownExperiment, WrongState, CannotRun) as error:
            raise CommandError(str(error), returncode=2) from error
        report = done.report
        self.stdout.write(
            f"{len(report.published):,} prices published, {len(report.already_published):,} were before, "
            f"{len(report.waiting):,} wait for a second person, {len(report.refused):,} refused"
        )
        for reason, count in Counter(report.refused.values()).most_common():
            self.stdout.write(f"  {count:,}: {refusal_words(reason)}")
