"""Read what the listings of an experiment sold, for designs that randomise SKUs or categories."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from experiments.models import PriceExperiment, UnitState
from experiments.selectors.arm_moments import Metric
from experiments.selectors.experiment_arms import READ_FROM_SALES
from experiments.selectors.units_without_cost import needs_costs
from experiments.services.arm_days import keep_experiment, keeping_arm_days, locked_states

ONE_DAY = timedelta(days=1)
MANY = 500

# A unit is what was drawn as one. Where profit is measured, one that holds a listing without a cost has no facts: with
# facts that end while days go on it would bring less and less.
MEMBERS_SQL = """
WITH members AS (
  SELECT %(design)s || ':' || member.cluster AS unit, member.arm_id, member.listing_id, listing.unit_cost
    FROM experiments_experimentunit member JOIN catalog_listing listing ON listing.id = member.listing_id
   WHERE member.experiment_id = %(experiment)s AND member.arm_id IS NOT NULL
), trial AS (
  SELECT unit, min(arm_id) AS arm_id, NOT %(needs_costs)s OR coalesce(bool_and(unit_cost > 0), false) AS is_known
    FROM members GROUP BY unit
), sold AS (
  SELECT members.unit, sales.day, sum(sales.units) AS units, sum(sales.revenue) AS revenue,
         sum(sales.revenue - sales.units * members.unit_cost) AS profit
    FROM members JOIN catalog_dailysales sales ON sales.listing_id = members.listing_id
   WHERE sales.day BETWEEN %(pre_first)s AND %(last)s GROUP BY members.unit, sales.day
)
"""
# Days without sales are days of zero: the shop's sales are known up to the last day.
WANTED_SQL = f"""{MEMBERS_SQL}, wanted AS (
  SELECT trial.unit, calendar.day::date AS day, coalesce(sold.units, 0) AS units, coalesce(sold.revenue, 0) AS revenue,
         coalesce(round(sold.profit, 4), 0) AS profit
    FROM trial CROSS JOIN generate_series(%(first)s::date, %(last)s::date, '1 day') AS calendar (day)
    LEFT JOIN sold ON sold.unit = trial.unit AND sold.day = calendar.day::date
   WHERE trial.is_known
)
"""  # noqa: S608 (constants of ours)
STALE_SQL = f"""{WANTED_SQL}
SELECT DISTINCT wanted.unit FROM wanted
  LEFT JOIN experiments_unitday known ON known.experiment_id = %(experiment)s AND known.unit = wanted.unit
       AND known.day = wanted.day
 WHERE (known.units, known.revenue, known.profit) IS DISTINCT FROM (wanted.units, wanted.revenue, wanted.profit)
 UNION
SELECT DISTINCT trial.unit FROM trial
  JOIN experiments_unitday known ON known.experiment_id = %(experiment)s AND known.unit = trial.unit
 WHERE NOT trial.is_known
"""  # noqa: S608
FORGET_SQL = "DELETE FROM experiments_unitday WHERE experiment_id = %s AND unit = ANY(%s::text[])"
STORE_SQL = f"""{WANTED_SQL}
INSERT INTO experiments_unitday AS known (experiment_id, unit, day, exposures, orders, units, revenue, profit)
SELECT %(experiment)s, unit, day, 1, 0, units, revenue, profit FROM wanted WHERE unit = ANY(%(units)s)
 ORDER BY unit, day
    ON CONFLICT (experiment_id, unit, day) DO UPDATE
   SET units = excluded.units, revenue = excluded.revenue, profit = excluded.profit
 WHERE (known.units, known.revenue, known.profit) IS DISTINCT FROM (excluded.units, excluded.revenue, excluded.profit)
"""  # noqa: S608
# An order is not known from a day's sales; units sold tell as well whether somebody bought.
COVARIATE_OF = {Metric.PROFIT: "profit", Metric.REVENUE: "revenue"}
STATES_SQL = f"""{MEMBERS_SQL}
SELECT trial.unit, trial.arm_id, trial.is_known, state.covariate,
       CASE WHEN %(cuped_days)s > 0 THEN round(coalesce(sum(CASE %(covariate)s WHEN 'profit' THEN sold.profit
            WHEN 'revenue' THEN sold.revenue ELSE sold.units END), 0) / greatest(%(cuped_days)s, 1), 4) END
  FROM trial
  LEFT JOIN sold ON sold.unit = trial.unit AND sold.day < %(pre_first)s::date + %(cuped_days)s
  LEFT JOIN experiments_unitstate state ON state.experiment_id = %(experiment)s AND state.unit = trial.unit
 GROUP BY trial.unit, trial.arm_id, trial.is_known, state.covariate
"""  # noqa: S608
SET_COVARIATES_SQL = """
UPDATE experiments_unitstate state SET covariate = news.covariate
  FROM unnest(%s::text[], %s::numeric[]) AS news (unit, covariate)
 WHERE state.experiment_id = %s AND state.unit = news.unit
"""
LAST_SALES_SQL = """
SELECT max(sales.day) FROM catalog_listing listing
 CROSS JOIN LATERAL (SELECT max(day) AS day FROM catalog_dailysales WHERE listing_id = listing.id) sales
 WHERE listing.channel_id = %s
"""


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did. ``days``: first and last day that count, or None while there is none.

    ``without_cost``: units that are left out, as profit is measured and a listing of theirs has no cost.
    """

    changed: int
    days: tuple[date, date] | None
    without_cost: int = 0


@transaction.atomic
def refresh_experiment_facts(*, experiment: PriceExperiment, now: datetime) -> Refreshed:
    """Make the facts of a SKU or category experiment those of daily sales, from its first whole day on.

    Counted are whole days: from the first that began under the experiment's prices to the last before now, or before
    it stopped, for which the channel has sales. Profit is at the cost that the listing has now: no history of costs is
    kept. Where profit is measured, units without a cost have no facts until they have one. What was imported late or
    corrected changes its own units only; without news nothing is written.

    One transaction. Waits for a rebuild of the sums, then locks the units that change in key order; two at once do the
    same, the second finds no news.
    """
    if experiment.design not in READ_FROM_SALES or experiment.started_at is None:
        return Refreshed(0, None)
    keep_experiment(experiment)
    days = _counted_days(experiment, now)
    if days is None:
        return Refreshed(0, None)
    query = _query(experiment, *days)
    if not UnitState.objects.filter(experiment=experiment).exists():
        _tell_planner("experiments_experimentunit")
    states = _rows(STATES_SQL, query)
    moved = {unit: new for unit, _, is_known, old, new in states if is_known and old != new}
    stale = {unit for (unit,) in _rows(STALE_SQL, query)} | moved.keys()
    without_cost = [unit for unit, _, is_known, _, _ in states if not is_known]
    if stale:
        arms = {unit: arm for unit, arm, *_ in states if unit in stale}
        locked_states(experiment=experiment, arms=arms, covariates={})
        with keeping_arm_days(experiment, sorted(stale)), connection.cursor() as cursor:
            cursor.execute(STORE_SQL, query | {"units": sorted(stale)})
            cursor.execute(FORGET_SQL, [experiment.pk, sorted(stale.intersection(without_cost))])
            cursor.execute(SET_COVARIATES_SQL, [list(moved), list(moved.values()), experiment.pk])
            if len(stale) > MANY:
                _tell_planner("experiments_unitday, experiments_unitstate")
    return Refreshed(len(stale), days, len(without_cost))


def _counted_days(experiment: PriceExperiment, now: datetime) -> tuple[date, date] | None:
    started = timezone.localtime(experiment.started_at)
    began_at_midnight = (started.hour, started.minute, started.second, started.microsecond) == (0, 0, 0, 0)
    first = started.date() if began_at_midnight else started.date() + ONE_DAY
    last_sales = _rows(LAST_SALES_SQL, [experiment.channel_id])[0][0]
    ended = min(now, experiment.stopped_at or now)
    last = timezone.localdate(ended) - ONE_DAY
    if last_sales is None:
        return None
    last = min(last, last_sales)
    return (first, last) if first <= last else None


def _query(experiment: PriceExperiment, first: date, last: date) -> dict[str, Any]:
    started_on = timezone.localdate(experiment.started_at)
    return {
        "experiment": experiment.pk,
        "design": experiment.design,
        "first": first,
        "last": last,
        "pre_first": started_on - timedelta(days=experiment.cuped_days),
        "cuped_days": experiment.cuped_days,
        "needs_costs": needs_costs(experiment),
        "covariate": COVARIATE_OF.get(Metric(experiment.metric), "units"),
    }


def _tell_planner(tables: str) -> None:
    """Let the planner know what was just written: else it takes thousands of units for one, and the query for hours."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {tables}")


def _rows(statement: str, parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()
