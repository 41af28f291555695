"""Exposures and outcomes of many experiments at once, as a stream brings them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from experiments.models import PriceExperiment
from experiments.services.record_experiment_events import (
    EventsNotWanted,
    UnitEvent,
    Verdict,
    record_experiment_events,
)

UNKNOWN_EXPERIMENT, NOT_WANTED, WRONG_CURRENCY = "unknown_experiment", "events_not_wanted", "wrong_currency"


@dataclass(frozen=True)
class Report:
    """An event and the code of its experiment; ``currency``: of an outcome's amounts, empty for an exposure."""

    experiment: str
    event: UnitEvent
    currency: str = ""


@dataclass(frozen=True)
class Heard:
    """What became of a report: ``reason`` is why it can never be used, or empty; then ``verdict`` says what it was."""

    verdict: Verdict | None
    reason: str = ""
    detail: str = ""


@transaction.atomic(savepoint=False)
def record_experiment_reports(*, reports: Sequence[Report], now: datetime) -> list[Heard]:
    """Count the reports of each experiment as `record_experiment_events` does; return one answer a report, in order.

    Takes experiments by key, so that two streams which share some wait for each other and do not deadlock.
    """
    codes = {report.experiment for report in reports}
    known = {row.code: row for row in PriceExperiment.objects.select_related("channel").filter(code__in=codes)}
    heard: dict[int, Heard] = {}
    by_experiment: dict[int, list[int]] = defaultdict(list)
    for at, report in enumerate(reports):
        experiment = known.get(report.experiment)
        if experiment is None:
            heard[at] = Heard(None, UNKNOWN_EXPERIMENT)
        elif report.currency and report.currency != experiment.channel.currency:
            heard[at] = Heard(None, WRONG_CURRENCY, f"the channel sells in {experiment.channel.currency}")
        else:
            by_experiment[experiment.pk].append(at)
    for _, places in sorted(by_experiment.items()):
        experiment = known[reports[places[0]].experiment]
        heard |= dict(zip(places, _heard(experiment, [reports[at].event for at in places], now), strict=True))
    return [heard[at] for at in range(len(reports))]


def _heard(experiment: PriceExperiment, events: Sequence[UnitEvent], now: datetime) -> list[Heard]:
    try:
        report = record_experiment_events(experiment=experiment, events=events, now=now)
    except EventsNotWanted as error:
        return [Heard(None, NOT_WANTED, str(error))] * len(events)
    return [Heard(each, str(each) if each.is_refusal else "", each.words) for each in report.verdicts]
