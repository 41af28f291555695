"""What shops report of an experiment, exposures and outcomes, becomes facts of its units: each event once."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db import connection, transaction

from experiments.models import ExperimentEvent, PriceExperiment
from experiments.selectors.arm_moments import Metric, measured_metrics
from experiments.selectors.experiment_arms import READ_FROM_SALES, DrawnArms
from experiments.services.arm_days import keep_experiment, keeping_arm_days, locked_states

CLOCK_TOLERANCE = timedelta(minutes=5)
"""By how much the clocks of shops may differ from ours."""


class Verdict(StrEnum):
    """What became of an event. Only `COUNTED` changed anything."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"
    WASHOUT = "washout"
    CONFLICTING = "conflicting"
    CROSSOVER = "crossover"
    UNKNOWN_ARM = "unknown_arm"
    NO_UNIT = "no_unit"
    NO_PROFIT = "no_profit"
    OUTSIDE_PERIOD = "outside_period"
    IN_THE_FUTURE = "in_the_future"

    @property
    def is_refusal(self) -> bool:
        """Whether the sender has something to mend."""
        return self not in (Verdict.COUNTED, Verdict.DUPLICATE, Verdict.WASHOUT)

    @property
    def words(self) -> str:
        return WORDS.get(self, "")


WORDS = {
    Verdict.WASHOUT: (
        "It happened in the wash-out of its slot, or in a slot that began before the experiment: the plan leaves out "
        "both."
    ),
    Verdict.CONFLICTING: "An event of this id with other content was counted: give a new event its own id.",
    Verdict.CROSSOVER: "Its unit has another arm: serve each unit the arm that it was given first.",
    Verdict.UNKNOWN_ARM: "The experiment has no such arm: give one of its arms' names.",
    Verdict.NO_UNIT: "Give the unit that was randomised: the region, or the visitor.",
    Verdict.NO_PROFIT: "The experiment measures profit: give the profit of every outcome.",
    Verdict.OUTSIDE_PERIOD: "It happened before the experiment started or after it stopped.",
    Verdict.IN_THE_FUTURE: "It happens later than now: set the sender's clock, and give times with their offset.",
}


class EventsNotWanted(Exception):
    """The experiment takes no events: it has not started, or it is read from sales."""


@dataclass(frozen=True)
class UnitEvent:
    """An arm's price was shown to a unit (``exposures``), or the unit bought something (the rest).

    Args:
        unit: the region or visitor; of a switchback nothing, its slot follows from ``occurred_at``.
        revenue, profit: in the channel's currency; profit None: not known.
        covariate: the metric a day that the unit brought before the experiment, where the shop knows it.
    """

    kind: ExperimentEvent.Kind
    event_id: str
    unit: str
    arm: str
    occurred_at: datetime
    exposures: int = 0
    orders: int = 0
    units: int = 0
    revenue: Decimal = Decimal(0)
    profit: Decimal | None = Decimal(0)
    covariate: Decimal | None = None

    @property
    def facts(self) -> tuple[int, int, int, Decimal, Decimal]:
        return self.exposures, self.orders, self.units, self.revenue, self.profit or Decimal(0)

    @property
    def digest(self) -> bytes:
        moment = self.occurred_at.astimezone(UTC).isoformat()
        amounts = [f"{amount:.4f}" for amount in self.facts] + ["unknown"] * (self.profit is None)
        text = "\n".join([self.kind, self.unit, self.arm, moment, *amounts])
        return hashlib.blake2b(text.encode(), digest_size=16).digest()


@dataclass(frozen=True)
class EventReport:
    """What became of each event, in the order in which they were given."""

    verdicts: list[Verdict]

    @property
    def counts(self) -> Counter[str]:
        return Counter(map(str, self.verdicts))


@transaction.atomic
def record_experiment_events(*, experiment: PriceExperiment, events: Sequence[UnitEvent], now: datetime) -> EventReport:
    """Count events of one experiment; however often, in which order or by how many they are reported.

    - An event id counts once. The same content again is a duplicate, another one is conflicting.
    - A unit's arm is the one that its place in the hash gives it (regions, slots) or that its first event named
      (visitors). An event that names another one is a crossover: it is kept by its id and counted as nothing.
    - Late events change the days on which they happened.
    - An outcome counts from the day on which its unit was first exposed; it may be reported before the exposure.
    - Of a switchback, what happens in the wash-out of a slot, or in a slot that began before the experiment, is not
      counted. A slot's facts are those of the day on which it began.

    Locks event ids, then units, then sums, each in key order; of several experiments a caller takes the lowest first.

    Raises:
        EventsNotWanted: nothing was stored.
    """
    _require_wanted(experiment)
    keep_experiment(experiment)
    counting = _Counting(experiment, now)
    counting.read(events)
    return EventReport(counting.verdicts)


def _require_wanted(experiment: PriceExperiment) -> None:
    if experiment.design in READ_FROM_SALES:
        raise EventsNotWanted(
            f"{experiment.code} randomises by {experiment.design}: it is read from daily sales and takes no events."
        )
    if experiment.started_at is None:
        raise EventsNotWanted(f"{experiment.code} has not started: start it first.")


class _Counting:
    """One batch on its way from events to facts."""

    def __init__(self, experiment: PriceExperiment, now: datetime) -> None:
        self.experiment, self.now = experiment, now
        self.drawn = DrawnArms(experiment)
        self.measures_profit = Metric.PROFIT in measured_metrics(experiment)
        self.verdicts: list[Verdict] = []
        self.places: dict[int, tuple[str, date]] = {}  # index of an event: its unit and day

    def read(self, events: Sequence[UnitEvent]) -> None:
        self.verdicts = [self._judged(at, event) for at, event in enumerate(events)]
        new = self._stored_ids(events)
        self._settle_arms(events, new)
        self._add([(events[at], *self.places[at]) for at in new if self.verdicts[at] is Verdict.COUNTED])

    def _judged(self, at: int, event: UnitEvent) -> Verdict:
        """Judge an event by itself, without looking at what is stored."""
        started_at, stopped_at = self.experiment.started_at, self.experiment.stopped_at
        if event.arm not in self.drawn.ids:
            return Verdict.UNKNOWN_ARM
        if event.occurred_at > self.now + CLOCK_TOLERANCE:
            return Verdict.IN_THE_FUTURE
        if started_at is None or event.occurred_at < started_at or (stopped_at and event.occurred_at > stopped_at):
            return Verdict.OUTSIDE_PERIOD
        if event.profit is None and self.measures_profit:
            return Verdict.NO_PROFIT
        if self.drawn.is_left_out(event.occurred_at):
            return Verdict.WASHOUT
        place = self.drawn.place_of(event.unit, event.occurred_at)
        if not place[0]:
            return Verdict.NO_UNIT
        self.places[at] = place
        return Verdict.COUNTED

    def _stored_ids(self, events: Sequence[UnitEvent]) -> list[int]:
        """Store the ids that are new and return the places of their events, in the order of their ids."""
        wanted: dict[str, int] = {}
        for at in sorted(self.places, key=lambda at: (events[at].event_id, events[at].occurred_at)):
            wanted.setdefault(events[at].event_id, at)
        known = _stored(self.experiment, [(events[at], self.places[at][1]) for at in wanted.values()])
        new = [at for key, at in wanted.items() if key in known.new]
        for at in self.places.keys() - set(new):
            digest, is_crossover = known.old.get(events[at].event_id) or (
                events[wanted[events[at].event_id]].digest,
                False,
            )
            if digest != events[at].digest:
                self.verdicts[at] = Verdict.CONFLICTING
            else:
                self.verdicts[at] = Verdict.CROSSOVER if is_crossover else Verdict.DUPLICATE
        return new

    def _settle_arms(self, events: Sequence[UnitEvent], new: Iterable[int]) -> None:
        first = sorted(new, key=lambda at: (events[at].occurred_at, events[at].event_id))
        arms: dict[str, int] = {}
        covariates: dict[str, str | None] = {}
        for at in first:
            unit = self.places[at][0]
            arms.setdefault(unit, self.drawn.arm_of(unit) or self.drawn.ids[events[at].arm])
            if events[at].covariate is not None:
                covariates.setdefault(unit, str(events[at].covariate))
        states = locked_states(experiment=self.experiment, arms=arms, covariates=covariates)
        crossed = [at for at in first if states[self.places[at][0]].arm_id != self.drawn.ids[events[at].arm]]
        for at in crossed:
            self.verdicts[at] = Verdict.CROSSOVER
        if crossed:
            ids = [events[at].event_id for at in crossed]
            ExperimentEvent.objects.filter(experiment=self.experiment, event_id__in=ids).update(is_crossover=True)

    def _add(self, counted: Sequence[tuple[UnitEvent, str, date]]) -> None:
        if not counted:
            return
        sums: dict[tuple[str, date], list[Any]] = {}
        for event, unit, day in counted:
            row = sums.setdefault((unit, day), [0, 0, 0, Decimal(0), Decimal(0)])
            for column, value in enumerate(event.facts):
                row[column] += value
        with keeping_arm_days(self.experiment, sorted({unit for unit, _ in sums})), connection.cursor() as cursor:
            rows = [(*key, *values) for key, values in sorted(sums.items())]
            cursor.execute(ADD_FACTS_SQL, [self.experiment.pk, *(list(column) for column in zip(*rows, strict=True))])


ADD_FACTS_SQL = """
INSERT INTO experiments_unitday AS known (experiment_id, unit, day, exposures, orders, units, revenue, profit)
SELECT %s, news.* FROM unnest(%s::text[], %s::date[], %s::bigint[], %s::bigint[], %s::bigint[], %s::numeric[],
                              %s::numeric[]) AS news (unit, day)
 ORDER BY unit, day
    ON CONFLICT (experiment_id, unit, day) DO UPDATE
   SET exposures = known.exposures + excluded.exposures, orders = known.orders + excluded.orders,
       units = known.units + excluded.units, revenue = known.revenue + excluded.revenue,
       profit = known.profit + excluded.profit
"""
STORE_IDS_SQL = """
INSERT INTO experiments_experimentevent (experiment_id, event_id, digest, occurred_on)
SELECT %s, news.* FROM unnest(%s::text[], %s::bytea[], %s::date[]) AS news (event_id, digest, day)
 ORDER BY event_id ON CONFLICT (experiment_id, event_id) DO NOTHING RETURNING event_id
"""


@dataclass(frozen=True)
class _Ids:
    new: set[str]
    old: dict[str, tuple[bytes, bool]]


def _stored(experiment: PriceExperiment, events: Sequence[tuple[UnitEvent, date]]) -> _Ids:
    """Store ids; of those that were there, return the digest and whether they crossed over.

    Another transaction that stores the same id is waited for.
    """
    columns: list[Any] = [
        [each.event_id for each, _ in events],
        [each.digest for each, _ in events],
        [day for _, day in events],
    ]
    with connection.cursor() as cursor:
        cursor.execute(STORE_IDS_SQL, [experiment.pk, *columns])
        new = {row[0] for row in cursor.fetchall()}
    rest = [each.event_id for each, _ in events if each.event_id not in new]
    rows = ExperimentEvent.objects.filter(experiment=experiment, event_id__in=rest) if rest else ()
    return _Ids(new, {row.event_id: (bytes(row.digest), row.is_crossover) for row in rows})
