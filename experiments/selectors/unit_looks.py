"""Looks for designs whose neighbours belong together: matched pairs of SKUs, and time slots."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone
from numpy.typing import NDArray

from experiments.models import ExperimentArm, ExperimentUnit, PriceExperiment, UnitState
from experiments.selectors.arm_moments import CAPPED, Metric, winsor_caps
from experiments.selectors.experiment_looks import day_number
from experiments.stats.inference import Look, Moments, SwitchbackSlots

Floats = NDArray[np.float64]
MOMENT = timedelta(microseconds=1)
NEVER = 10**6
"""A day that no experiment sees."""

COLUMNS = {
    Metric.PROFIT: "profit",
    Metric.REVENUE: "revenue",
    Metric.UNITS: "units",
    Metric.CONVERSION: "orders + units",
    Metric.REVENUE_PER_ORDER: "revenue",
}
# A unit counts from the day on which it was first exposed, as in the sums of arms. No joins: right after a start nobody
# has told the database how many rows there are, and it would go through all units for each.
PATHS_SQL = """
SELECT unit, array_agg(day - %(first)s::date ORDER BY day), sum(orders)::float8, {paths}
  FROM (SELECT *, min(day) FILTER (WHERE exposures > 0) OVER (PARTITION BY unit) AS shown_on
          FROM experiments_unitday WHERE experiment_id = %(experiment)s AND day <= %(until)s) facts
 WHERE day >= shown_on GROUP BY unit
"""
PATH_SQL = "array_agg(least({column}, %(cap_{metric})s::numeric)::float8 ORDER BY day)"


@dataclass(frozen=True)
class UnitPaths:
    """Units in rows. ``total``: (unit, day) float64, the metric from the first to each day, 0 before the first one.

    ``whole``: (unit,) int64, the place among ``days`` of the first one at whose end the unit may be counted; of a slot
    the one on which it ends, and past the last one where it has not ended or the experiment cuts it.
    """

    names: list[str]
    arms: NDArray[np.int64]
    covariates: Floats
    blocks: NDArray[np.int64]
    days: list[int]
    total: Floats
    whole: NDArray[np.int64]
    orders: Floats


def unit_paths(experiment: PriceExperiment, metrics: Sequence[str], until: date, first: date) -> dict[str, UnitPaths]:
    """Return by metric what each unit brought by the end of each day; all of it in one query, a row a unit.

    Days go on from ``first`` to the last one with news: with a fact of its own, or on which a slot ended.
    """
    caps = winsor_caps(experiment)
    query: dict[str, Any] = {"experiment": experiment.pk, "until": until, "first": first}
    query |= {f"cap_{metric}": caps.get(metric) if metric in CAPPED else None for metric in metrics}
    paths = ", ".join(PATH_SQL.format(column=COLUMNS[Metric(metric)], metric=metric) for metric in metrics)
    with connection.cursor() as cursor:
        cursor.execute(PATHS_SQL.format(paths=paths), query)
        rows = cursor.fetchall()
    if not rows:
        return {}
    states, blocks = _states(experiment), _blocks(experiment)
    whole = _whole_on(experiment, rows, first)
    last_fact, last_end = max(row[1][-1] for row in rows), max((at for at in whole if at < NEVER), default=0)
    days = range(min(max(last_fact, last_end), (until - first).days) + 1)
    own: dict[str, Any] = {
        "names": [row[0] for row in rows],
        "arms": np.array([states[row[0]][0] for row in rows]),
        "covariates": np.array([float(states[row[0]][1] or 0) for row in rows]),
        "blocks": np.array([blocks.get(row[0], 0) for row in rows]),
        "days": [day_number(experiment, first) + at for at in days],
        "whole": np.array(whole),
        "orders": np.array([row[2] for row in rows]),
    }
    return {
        metric: UnitPaths(
            **own, total=_totals([row[1] for row in rows], [row[3 + at] for row in rows], len(days), metric)
        )
        for at, metric in enumerate(metrics)
    }


def _whole_on(experiment: PriceExperiment, rows: Sequence[Any], first: date) -> list[int]:
    """Return on which day after ``first`` each unit is whole: a slot when it ends, or `NEVER` where it is cut."""
    seconds, started_at, stopped_at = experiment.slot_seconds, experiment.started_at, experiment.stopped_at
    if not seconds or started_at is None:
        return [row[1][0] for row in rows]
    places = []
    for row in rows:
        began = datetime.fromtimestamp(int(row[0]) * seconds, UTC)
        ends = began + timedelta(seconds=seconds)
        is_cut = began < started_at or (stopped_at is not None and ends > stopped_at)
        places.append(NEVER if is_cut else (timezone.localdate(ends - MOMENT) - first).days)
    return places


def _totals(places: Sequence[list[int]], amounts: Sequence[list[float]], days: int, metric: str) -> Floats:
    added = np.zeros((len(places), days))
    for at, (place, amount) in enumerate(zip(places, amounts, strict=True)):
        added[at, place] = amount
    total = added.cumsum(axis=1)
    return (total > 0).astype(float) if metric == Metric.CONVERSION else total


def _states(experiment: PriceExperiment) -> dict[str, tuple[int, Any]]:
    rows = UnitState.objects.filter(experiment=experiment).values_list("unit", "arm_id", "covariate")
    return {unit: (arm, covariate) for unit, arm, covariate in rows}


def _blocks(experiment: PriceExperiment) -> dict[str, int]:
    """Return the pair of each unit; where several listings are one unit, they are in one."""
    rows = ExperimentUnit.objects.filter(experiment=experiment, arm__isnull=False).values_list("cluster", "block")
    return {f"{experiment.design}:{cluster}": block for cluster, block in rows}


def paired_looks(paths: UnitPaths, arms: Sequence[ExperimentArm], metric: str) -> dict[int, list[Look]]:
    """Compare each arm with the control within blocks that hold both; of each block one unit an arm."""
    control, *treatments = arms
    looks: dict[int, list[Look]] = {}
    for arm in treatments:
        treated, untreated = _partners(paths, arm.pk, control.pk)
        looks[arm.pk] = [
            _paired_look(paths, at, treated, untreated, metric) for at in range(len(paths.days)) if len(treated) > 1
        ]
    return looks


def _partners(paths: UnitPaths, arm: int, control: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    places = [
        {int(block): at for at, block in enumerate(paths.blocks) if paths.arms[at] == each} for each in (arm, control)
    ]
    both = sorted(places[0].keys() & places[1].keys())
    treated, untreated = (np.array([each[block] for block in both], dtype=np.int64) for each in places)
    return treated, untreated


def _paired_look(
    paths: UnitPaths, at: int, treated: NDArray[np.int64], untreated: NDArray[np.int64], metric: str
) -> Look:
    days = 1 if metric == Metric.CONVERSION else at + 1
    y, x = paths.total[treated, at] / days, paths.total[untreated, at] / days
    before_y, before_x = paths.covariates[treated], paths.covariates[untreated]
    slope = _slope(y - x, before_y - before_x)
    middle = np.concatenate([before_y, before_x]).mean()
    pairs = Moments.of(y - slope * (before_y - middle), x - slope * (before_x - middle))
    return Look(paths.days[at], pairs, pairs)


def _slope(differences: Floats, before: Floats) -> float:
    """Return the slope of the pairs' differences on those before the start: CUPED within pairs."""
    centred = before - before.mean()
    across = float(centred @ centred)
    return float(centred @ differences) / across if across > 0 and len(before) > 2 else 0.0


def slot_looks(paths: UnitPaths, arms: Sequence[ExperimentArm], metric: str) -> dict[int, list[Look]]:
    """Compare the slots of each arm that are over by a day with those of the control, in the order of time."""
    control, *treatments = arms
    number = np.array([int(name) for name in paths.names])
    order = np.argsort(number)
    outcome = paths.total[:, -1]
    if metric == Metric.REVENUE_PER_ORDER:
        order = order[paths.orders[order] > 0]
        outcome = outcome / np.maximum(paths.orders, 1)
    looks: dict[int, list[Look]] = {}
    for arm in treatments:
        own = order[np.isin(paths.arms[order], (control.pk, arm.pk))]
        looks[arm.pk] = []
        for at, day in enumerate(paths.days):
            seen = own[paths.whole[own] <= at]
            treated = paths.arms[seen] == arm.pk
            if 0 < treated.sum() < len(seen):
                looks[arm.pk].append(Look(day, slots=SwitchbackSlots(outcome[seen], treated, number[seen])))
    return looks
