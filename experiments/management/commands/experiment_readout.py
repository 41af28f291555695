import json
import math
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.box import SIMPLE
from rich.console import Console, Group
from rich.table import Column, Table
from rich.text import Text

from experiments.readout_page import amount_label, metric_words, readout_html, relative_words
from experiments.selectors.experiment_by_code import UnknownExperiment, experiment_by_code
from experiments.selectors.readout_figures import figures_of
from experiments.selectors.readouts import ArmReadout, ExperimentReadout, readout_for


class Command(BaseCommand):
    help = "Say what a price experiment tells so far: a sentence, then the arms against the control."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", help="the experiment's code")
        parser.add_argument("--json", action="store_true", help="all figures, as the API answers them")
        parser.add_argument("--html", type=Path, metavar="FILE", help="write the page as one file")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            experiment = experiment_by_code(options["code"])
        except UnknownExperiment as error:
            raise CommandError(str(error), returncode=2) from error
        found = readout_for(experiment=experiment, at=timezone.now())
        if options["html"]:
            _write(options["html"], readout_html(found))
        if options["json"]:
            self.stdout.write(json.dumps(figures_of(found), indent=2))
        elif not options["html"]:
            Console().print(shown(found))


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page)
    except OSError as error:
        why = error.strerror or str(error)
        raise CommandError(f"--html {path}: {why}: give a file that can be written", returncode=2) from error


def shown(found: ExperimentReadout) -> Group:
    """Return a read-out for a terminal."""
    lines = [Text(found.sentence, style="bold")]
    if not found.arms:
        return Group(*lines)
    lines.append(Text(f"{found.experiment.name}, day {found.day}, whole days until {found.until}"))
    names = ("units", "control", "arm's own", "relative, with interval", "better", "p", "naive p")
    table = Table(Column("arm"), Column("metric"), *(Column(name, justify="right") for name in names), box=SIMPLE)
    for each in found.arms:
        _add(table, found, each)
    notes = [f"Guardrail {name} is breached." for name in found.breached]
    srm = found.arms[0].primary.srm
    if srm is not None:
        notes.append(
            f"Units {' / '.join(f'{count:,}' for count in srm.counts)}: p of the planned shares {srm.p_value:.3g}."
        )
    if found.crossovers:
        notes.append(f"{found.crossovers:,} events named another arm than their unit has: not counted.")
    if found.without_cost:
        notes.append(f"{found.without_cost:,} units hold a listing without a cost: not read, nor their partners.")
    if found.days_not_served:
        notes.append(
            f"{found.days_not_served:,} days of a listing had a person's price or a kill switch before its arm."
        )
    return Group(*lines, table, *map(Text, notes))


def _add(table: Table, found: ExperimentReadout, each: ArmReadout) -> None:
    for metric, readout in each.by_metric.items():
        label = amount_label(metric, found.experiment.channel)
        p = each.corrected.get(metric)
        table.add_row(
            each.arm.name,
            metric_words(metric),
            f"{readout.n:,.0f}",
            label(readout.control_mean),
            label(readout.treatment_mean),
            relative_words(readout),
            f"{readout.probability_to_beat:.0%}" if math.isfinite(readout.probability_to_beat) else "",
            "" if p is None else f"{p:.3f}",
            f"{readout.naive.p_value:.3f}",
        )
