"""What was known at the end of each day of an experiment, as its statistics want it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.utils import timezone

from experiments.models import ExperimentArm, PriceExperiment
from experiments.selectors.arm_moments import SUMS, Metric
from experiments.selectors.experiment_arms import READ_FROM_SALES
from experiments.stats.inference import Look, Moments

Design = PriceExperiment.Design
ONE_DAY = timedelta(days=1)

SUMS_SQL = f"""
SELECT arm_id, metric, day, {", ".join(f"sum({name}) OVER so_far" for name in SUMS)}
  FROM experiments_armday WHERE arm_id = ANY(%s) AND day <= %s
WINDOW so_far AS (PARTITION BY arm_id, metric ORDER BY day)
 ORDER BY day
"""  # noqa: S608 (constants of ours)


@dataclass(frozen=True)
class ArmSums:
    """Everything of an arm and metric from the start to the end of a day."""

    exposures: int
    moments: Moments

    @property
    def count(self) -> int:
        return int(self.moments.n)


NOTHING = ArmSums(0, Moments(0, Decimal(0), Decimal(0)))


@dataclass
class SumsByDay:
    """The sums of an experiment's arms, by (arm, metric), for every day on which one of them changed."""

    days: list[date] = field(default_factory=list)
    by_day: dict[date, dict[tuple[int, str], ArmSums]] = field(default_factory=dict)

    def of(self, arm: int, metric: str, day: date) -> ArmSums:
        return self.by_day[day].get((arm, metric), NOTHING)


def last_whole_day(experiment: PriceExperiment, at: datetime) -> date:
    """Return the last day that counts: yesterday, or the day on which the experiment stopped.

    A day that goes on is no look: looked at ten times, it would cost alpha ten times.
    """
    if experiment.stopped_at is not None and experiment.stopped_at <= at:
        return timezone.localdate(experiment.stopped_at)
    return timezone.localdate(at) - ONE_DAY


def day_number(experiment: PriceExperiment, day: date) -> int:
    """Return the day's number: 1 is the day of the start."""
    return (day - timezone.localdate(experiment.started_at)).days + 1


def day_of(experiment: PriceExperiment, number: int) -> date:
    """Return the day of a number."""
    return timezone.localdate(experiment.started_at) + (number - 1) * ONE_DAY


def arm_sums(arms: Sequence[ExperimentArm], until: date) -> SumsByDay:
    """Return the cumulative sums of each day, in one query; a day without news of an arm carries the last one on."""
    changed: dict[date, dict[tuple[int, str], ArmSums]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(SUMS_SQL, [[arm.pk for arm in arms], until])
        for arm, metric, day, exposures, count, *sums in cursor.fetchall():
            changed[day][arm, metric] = ArmSums(int(exposures), Moments(int(count), *sums))
    found = SumsByDay()
    known: dict[tuple[int, str], ArmSums] = {}
    for day in sorted(changed):
        known = known | changed[day]
        found.days.append(day)
        found.by_day[day] = known
    return found


def looks_from_sums(
    experiment: PriceExperiment, arms: Sequence[ExperimentArm], sums: SumsByDay, metric: str
) -> dict[int, list[Look]]:
    """Return the looks at each arm but the control, by arm.

    Where the units are there from the first day, their metric is that of a day: totals only grow. Those days are the
    counted ones: sales are read from the first whole day on, which is seldom that of the start.
    """
    control, *treatments = arms
    looks: dict[int, list[Look]] = {arm.pk: [] for arm in treatments}
    counts_tell = experiment.design in (Design.VISITOR, Design.REGION)
    for day in sums.days:
        number = day_number(experiment, day)
        counted = (day - sums.days[0]).days + 1 if experiment.design in READ_FROM_SALES else number
        days = 1 if experiment.design == Design.VISITOR or metric in UNSCALED else counted
        counts = tuple(sums.of(arm.pk, metric, day).count for arm in arms) if counts_tell else None
        base = _a_day(sums.of(control.pk, metric, day).moments, days)
        for arm in treatments:
            other = _a_day(sums.of(arm.pk, metric, day).moments, days)
            if base.n and other.n and _can_divide(metric, base, other):
                looks[arm.pk].append(Look(number, base, other, exposures=counts))
    return looks


UNSCALED = (Metric.CONVERSION, Metric.REVENUE_PER_ORDER)


def _can_divide(metric: str, *moments: Moments) -> bool:
    return metric != Metric.REVENUE_PER_ORDER or all(each.sum_x > 0 for each in moments)


def _a_day(moments: Moments, days: int) -> Moments:
    if days == 1:
        return moments
    return replace(moments, sum_y=moments.sum_y / days, sum_y2=moments.sum_y2 / days**2, sum_xy=moments.sum_xy / days)
