from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import track

from catalog.arguments import a_user
from optimizer.report.summary import summary_table
from optimizer.services.canary import CannotRelease, release_run
from optimizer.services.publish_run import parts_left, publish_run


class Command(BaseCommand):
    help = "Publish the prices of a run that wait for its first share of prices. Repeatable."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run_id", type=UUID, help="the run, as its page or the API names it")
        parser.add_argument("--author", type=a_user, help="user name of the person who decided it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = release_run(run_id=options["run_id"], author=options["author"], now=timezone.now())
        except CannotRelease as error:
            raise CommandError(str(error), returncode=2) from error
        parts = track(parts_left(run), "gate and ledger", console=Console(stderr=True), transient=True)
        run = publish_run(run_id=run.pk, parts=parts, now=timezone.now())
        Console().print(summary_table(run))
        if run.error:
            raise CommandError(run.error, returncode=2)
