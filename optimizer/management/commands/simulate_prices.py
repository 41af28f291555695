from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.assumptions import GUARDRAIL_BOUNDS, Assumptions, CostChange, InvalidAssumptions
from optimizer.management.commands.optimize_prices import finish_run
from optimizer.models import OptimizationRun, Simulation
from optimizer.report.summary import summary_table
from optimizer.services.open_run import CannotOptimize
from optimizer.services.open_simulation import open_simulation


class Command(BaseCommand):
    help = "Simulate prices under assumptions and show what they would bring. Publishes nothing; repeat with --key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="what people will call it")
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--objective", choices=OptimizationRun.Objective.values, default="profit")
        for name in GUARDRAIL_BOUNDS:
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, metavar="FRACTION", help="trial limit, 0.15 is 15 %%")
        parser.add_argument(
            "--cost-change",
            action="append",
            default=[],
            metavar="[CATEGORY=]FRACTION",
            help="suppose that costs change: 0.05 is 5 %% more; of one category or of all",
        )
        parser.add_argument("--category", action="append", default=[], help="only this category's products; its code")
        parser.add_argument("--sku", action="append", default=[], help="only this SKU")
        parser.add_argument("--key", help="a simulation with this key is gone on with, or reported if it is computed")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            simulation = open_simulation(
                name=options["name"],
                channel=channel_by_code(options["channel"]),
                objective=options["objective"],
                assumptions=_assumptions(options),
                key=options["key"],
                now=timezone.now(),
            )
        except (UnknownChannel, InvalidAssumptions, CannotOptimize) as error:
            raise CommandError(str(error), returncode=2) from error
        run = finish_run(simulation.run)
        Console().print(summary_table(run))
        if run.status == OptimizationRun.Status.FAILED:
            raise CommandError(run.error)
        sealed = Simulation.objects.get(pk=simulation.pk)
        self.stdout.write(f'simulation: {run.pk}\nETag: "{sealed.fingerprint}"')


def _assumptions(options: dict[str, Any]) -> Assumptions:
    return Assumptions(
        guardrails={
            name: _fraction(f"--{name.replace('_', '-')}", options[name])
            for name in GUARDRAIL_BOUNDS
            if options[name] is not None
        },
        cost_changes=tuple(_cost_change(text) for text in options["cost_change"]),
        categories=tuple(options["category"]),
        skus=tuple(options["sku"]),
    )


def _cost_change(text: str) -> CostChange:
    category, _, change = text.rpartition("=")
    return CostChange(_fraction("--cost-change", change), category or None)


def _fraction(option: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise CommandError(f"{option}: {text!r} is no number: give a fraction such as 0.05", returncode=2) from None
