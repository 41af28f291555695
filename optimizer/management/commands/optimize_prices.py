from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.models import OptimizationRun
from optimizer.report.summary import summary_table
from optimizer.services.decide_run import decide_run
from optimizer.services.open_run import CannotOptimize, open_run
from optimizer.services.publish_run import Part, finish_publishing, parts_left, publish_part
from optimizer.services.side_by_side import side_by_side


def canary_share(text: str) -> Decimal:
    """Read a share above 0 and up to 1."""
    try:
        share = Decimal(text)
    except InvalidOperation:
        share = Decimal(0)
    if not 0 < share <= 1:
        raise ArgumentTypeError(f"got {text!r}; give a fraction above 0 and up to 1, such as 0.05")
    return share


class Command(BaseCommand):
    help = "Optimise all prices of a channel and publish them through the gate. Safe to repeat with --key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--objective", choices=OptimizationRun.Objective.values, default="profit")
        parser.add_argument("--key", help="a run with this key is gone on with, or reported if it is finished")
        parser.add_argument(
            "--canary-share",
            type=canary_share,
            help="publish only this share of the prices, above 0 and up to 1; `release_run` publishes the rest",
        )
        parser.add_argument("--dry-run", action="store_true", help="recommend, but publish nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = open_run(
                channel=channel_by_code(options["channel"]),
                objective=options["objective"],
                key=options["key"],
                publishes=not options["dry_run"],
                canary_share=options["canary_share"],
                now=timezone.now(),
            )
        except (UnknownChannel, CannotOptimize) as error:
            raise CommandError(str(error), returncode=2) from error
        run = finish_run(run)
        Console().print(summary_table(run))
        if run.status == OptimizationRun.Status.FAILED:
            raise CommandError(run.error)


def finish_run(run: OptimizationRun) -> OptimizationRun:
    """Compute what is left of a run in this process, with progress, and publish it."""
    # Imported here: `manage.py help` loads every command and need not load torch.
    from optimizer.services.optimize_chunk import optimize_chunk
    from optimizer.services.solve_together import solve_together

    left = run.chunks.filter(finished_at=None)
    left.update(attempts=0)  # somebody asks for it now: what was killed before does not count
    waiting = list(left.values_list("first_pk", flat=True))

    def compute(first_pk: int) -> None:
        optimize_chunk(run_id=run.pk, first_pk=first_pk, now=timezone.now())

    def publish(part: Part) -> None:
        publish_part(run_id=run.pk, part=part, now=timezone.now())

    with Progress(console=Console(stderr=True), transient=True) as progress:
        for _ in progress.track(side_by_side(compute, waiting), total=len(waiting), description="optimise"):
            pass
        together = progress.add_task("relations and goals", total=None)
        solve_together(run_id=run.pk, now=timezone.now())
        run = decide_run(run_id=run.pk, now=timezone.now())
        progress.remove_task(together)
        parts = parts_left(run)
        for _ in progress.track(side_by_side(publish, parts), total=len(parts), description="gate, ledger, cache"):
            pass
        return finish_publishing(run_id=run.pk, now=timezone.now())
