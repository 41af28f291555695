from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.assumptions import GUARDRAIL_BOUNDS
from optimizer.models import OptimizationRun
from optimizer.services.open_run import CannotOptimize

SHOWN = 10
NUMBERS = {
    "profit_change": "{:+,.0f}",
    "revenue_shift": "{:+.2%}",
    "share_changed": "{:.1%}",
    "mean_change": "{:.1%}",
}
STEP = 0.005


class Command(BaseCommand):
    help = "Find good limits for a channel by Bayesian optimisation over what the optimiser would do. Changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--objective", choices=OptimizationRun.Objective.values, default="profit")
        for name in GUARDRAIL_BOUNDS:
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, metavar="LOW:HIGH", help=f"{option}=0.05:0.3 tries this limit there")
        parser.add_argument("--least-revenue-change", type=float, help="least expected change of revenue, a fraction")
        parser.add_argument("--most-mean-change", type=float, help="largest mean size of a change, a fraction")
        parser.add_argument("--most-share-changed", type=float, help="largest share of prices that change, a fraction")
        parser.add_argument("--risk-aversion", type=float, default=0.0, help="standard deviations of profit to deduct")
        parser.add_argument("--trials", type=int, default=30)
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load torch.
        from optimizer.engine.tuning import Tuning, TuningUnavailable
        from optimizer.services.tune_guardrails import Conditions, tune_guardrails

        knobs = self._knobs(options)
        if options["trials"] < 1:
            raise CommandError("--trials: give 1 or more", returncode=2)
        try:
            with Progress(console=Console(stderr=True), transient=True) as progress:
                task = progress.add_task("trials", total=options["trials"])
                tuning: Tuning = tune_guardrails(
                    channel=channel_by_code(options["channel"]),
                    knobs=knobs,
                    objective=options["objective"],
                    conditions=Conditions(
                        least_revenue_change=options["least_revenue_change"],
                        most_mean_change=options["most_mean_change"],
                        most_share_changed=options["most_share_changed"],
                    ),
                    trials=options["trials"],
                    seed=options["seed"],
                    risk_aversion=options["risk_aversion"],
                    now=timezone.now(),
                    told=lambda trial: progress.advance(task),
                )
        except (UnknownChannel, CannotOptimize, TuningUnavailable) as error:
            raise CommandError(str(error), returncode=2) from error
        Console().print(_table(tuning, [knob.name for knob in knobs], options["objective"]))
        best = tuning.best
        if best is None:
            missed = {name: miss for name, miss in tuning.nearest.judgement.violations.items() if miss > 0}
            words = ", ".join(f"{name.replace('_', ' ')} by {miss:.2%}" for name, miss in missed.items())
            raise CommandError(f"none of {len(tuning.trials)} trials meets the conditions; the nearest misses {words}")
        chosen = " ".join(f"--{name.replace('_', '-')}={value:g}" for name, value in best.settings.items())
        self.stdout.write(f"look at every price: manage.py simulate_prices --name tuned {chosen}")

    def _knobs(self, options: dict[str, Any]) -> list[Any]:
        from optimizer.engine.tuning import Knob

        asked = {name: options[name] for name in GUARDRAIL_BOUNDS if options[name] is not None}
        if not asked:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in GUARDRAIL_BOUNDS)
            raise CommandError(
                f"give at least one limit to try, such as --max-change 0.05:0.3; the limits: {names}", returncode=2
            )
        return [_knob(Knob, name, text) for name, text in asked.items()]


def _knob(kind: Any, name: str, text: str) -> Any:
    lowest, highest = GUARDRAIL_BOUNDS[name]
    option = f"--{name.replace('_', '-')}"
    try:
        low, high = (float(part) for part in text.split(":"))
        if not float(lowest) <= low < high <= float(highest) or (low, high) != (round(low, 4), round(high, 4)):
            raise ValueError
        return kind(name, low, high, min(STEP, high - low))
    except ValueError:
        cure = f"give two rising fractions from {lowest} to {highest} with at most 4 decimals, such as 0.05:0.3"
        raise CommandError(f"{option}: {text!r} is no range: {cure}", returncode=2) from None


def _table(tuning: Any, knobs: list[str], objective: str) -> Table:
    """Return the best trials, those that meet the conditions first."""
    columns = ("objective", "profit", "revenue", "prices changed", "mean change", "conditions")
    table = Table(*(name.replace("_", " ") for name in knobs), *columns, title=f"limits for {objective}")
    ranked = sorted(tuning.trials, key=lambda each: (not each.judgement.is_allowed, -each.judgement.value))
    for trial in ranked[:SHOWN]:
        numbers = trial.judgement.numbers
        table.add_row(
            *(f"{trial.settings[name]:.1%}" for name in knobs),
            f"{trial.judgement.value:+,.0f}",
            *(form.format(numbers[name]) if name in numbers else "" for name, form in NUMBERS.items()),
            "met" if trial.judgement.is_allowed else "missed",
        )
    return table
