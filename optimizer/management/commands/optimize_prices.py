from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.models import OptimizationRun
from optimizer.report.summary import summary_table
from optimizer.services.close_run import close_run
from optimizer.services.open_run import CannotOptimize, open_run


class Command(BaseCommand):
    help = "Optimise all prices of a channel and publish them through the gate. Safe to repeat with --key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--objective", choices=OptimizationRun.Objective.values, default="profit")
        parser.add_argument("--key", help="a run with this key is gone on with, or reported if it is finished")
        parser.add_argument("--dry-run", action="store_true", help="recommend, but publish nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = open_run(
                channel=channel_by_code(options["channel"]),
                objective=options["objective"],
                key=options["key"],
                publishes=not options["dry_run"],
                now=timezone.now(),
            )
        except (UnknownChannel, CannotOptimize) as error:
            raise CommandError(str(error), returncode=2) from error
        run = finish_run(run)
        Console().print(summary_table(run))
        if run.status == OptimizationRun.Status.FAILED:
            raise CommandError(run.error)


def finish_run(run: OptimizationRun) -> OptimizationRun:
    """Compute what is left of a run in this process, with progress, and close it."""
    # Imported here: `manage.py help` loads every command and need not load torch.
    from optimizer.services.optimize_chunk import optimize_chunk
    from optimizer.services.solve_together import solve_together

    left = run.chunks.filter(finished_at=None)
    left.update(attempts=0)  # somebody asks for it now: what was killed before does not count
    waiting = list(left.values_list("first_pk", flat=True))
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for first_pk in progress.track(waiting, description="optimise"):
            optimize_chunk(run_id=run.pk, first_pk=first_pk, now=timezone.now())
        after = progress.add_task("relations and goals", total=None)
        solve_together(run_id=run.pk, now=timezone.now())
        progress.update(after, description="gate, ledger and cache")
        return close_run(run_id=run.pk, now=timezone.now())
