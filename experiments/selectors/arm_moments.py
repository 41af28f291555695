"""Sufficient statistics of an experiment's arms, summed up from what each unit did on each day."""

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection

from experiments.models import GuardrailMetric, PriceExperiment

Metric = PriceExperiment.Metric
CAPPED = (Metric.PROFIT, Metric.REVENUE, Metric.UNITS)

ArmMetricDay = tuple[int, str, date]
SUMS = ("exposures", "count", "sum_y", "sum_y2", "sum_x", "sum_x2", "sum_xy")

# A unit counts from the day on which it was first exposed: what it brought before is nobody's effect. Its totals run
# on from day to day; what a day changes in y, y², x, x² and x·y is summed over the units. numeric is exact, so that the
# sums do not depend on the order in which facts came. A state is looked up a row (LATERAL … LIMIT): of a new experiment
# the planner believes that it has one unit, and would compare every fact with every state.
CHANGES_SQL = """
WITH path AS (
  SELECT state.arm_id, facts.unit, facts.day, facts.exposures, coalesce(state.covariate, 0) AS covariate,
         sum(facts.orders) OVER so_far AS orders,
         sum(facts.units) OVER so_far AS sold,
         sum(least(facts.units, %(units_cap)s::numeric)) OVER so_far AS units,
         sum(least(facts.revenue, %(revenue_cap)s::numeric)) OVER so_far AS revenue,
         sum(least(facts.profit, %(profit_cap)s::numeric)) OVER so_far AS profit
    FROM (SELECT *, min(day) FILTER (WHERE exposures > 0) OVER (PARTITION BY unit) AS shown_on
            FROM experiments_unitday
           WHERE experiment_id = %(experiment)s AND (%(units)s::text[] IS NULL OR unit = ANY(%(units)s))) facts
   CROSS JOIN LATERAL (SELECT arm_id, covariate FROM experiments_unitstate
                        WHERE experiment_id = %(experiment)s AND unit = facts.unit LIMIT 1) state
   WHERE facts.day >= facts.shown_on
  WINDOW so_far AS (PARTITION BY facts.unit ORDER BY facts.day)
), measured AS (
  SELECT arm_id, day, exposures, metric, y, x, lag(y, 1, 0) OVER own AS y0, lag(x, 1, 0) OVER own AS x0,
         row_number() OVER own = 1 AS is_new
    FROM path CROSS JOIN LATERAL (VALUES
         ('profit', profit, covariate), ('revenue', revenue, covariate), ('units', units, covariate),
         ('conversion', (orders > 0 OR sold > 0)::int::numeric, covariate), ('revenue_per_order', revenue, orders)
         ) AS metrics (metric, y, x)
   WHERE metric = ANY(%(metrics)s)
  WINDOW own AS (PARTITION BY unit, metric ORDER BY day)
)
SELECT arm_id, metric, day, sum(exposures)::bigint, count(*) FILTER (WHERE is_new), sum(y - y0), sum(y * y - y0 * y0),
       sum(x - x0), sum(x * x - x0 * x0), sum(x * y - x0 * y0)
  FROM measured GROUP BY arm_id, metric, day
"""


def measured_metrics(experiment: PriceExperiment) -> list[str]:
    """Return the metrics of the plan: the primary one first, then the guardrails."""
    guarded = GuardrailMetric.objects.filter(experiment=experiment).order_by("pk").values_list("metric", flat=True)
    return list(dict.fromkeys([experiment.metric, *guarded]))


def winsor_caps(experiment: PriceExperiment) -> dict[str, str]:
    """Return what a unit's amount of one day is cut to, by metric, as the plan fixed it; empty: nothing is cut."""
    caps: dict[str, str] = (experiment.plan or {}).get("winsor_caps") or {}
    return caps


def changes_query(experiment: PriceExperiment, units: Collection[str] | None) -> dict[str, Any]:
    """Return the parameters of CHANGES_SQL; ``units`` None: all of the experiment."""
    caps = winsor_caps(experiment)
    return {
        "experiment": experiment.pk,
        "units": None if units is None else list(units),
        "metrics": measured_metrics(experiment),
        **{f"{metric}_cap": caps.get(metric) for metric in CAPPED},
    }


def arm_day_changes(
    experiment: PriceExperiment, units: Collection[str] | None = None
) -> dict[ArmMetricDay, tuple[Decimal, ...]]:
    """Return by how much each day changes the sums of each arm and metric (in the order of SUMS), by these units."""
    with connection.cursor() as cursor:
        cursor.execute(CHANGES_SQL, changes_query(experiment, units))
        return {(arm, metric, day): tuple(sums) for arm, metric, day, *sums in cursor.fetchall()}


# One statement, and so one moment: what is counted meanwhile is in both or in neither.
FAULTS_SQL = f"""
WITH anew AS ({CHANGES_SQL}), kept AS (
  SELECT arm_id, metric, day, {", ".join(SUMS)} FROM experiments_armday
   WHERE arm_id IN (SELECT id FROM experiments_experimentarm WHERE experiment_id = %(experiment)s)
)
SELECT arm.name, both_sides.metric, both_sides.day
  FROM (SELECT coalesce(anew.arm_id, kept.arm_id) AS arm_id, coalesce(anew.metric, kept.metric) AS metric,
               coalesce(anew.day, kept.day) AS day
          FROM (SELECT * FROM anew AS anew (arm_id, metric, day, {", ".join(SUMS)})) anew
          FULL JOIN kept ON kept.arm_id = anew.arm_id AND kept.metric = anew.metric AND kept.day = anew.day
         WHERE ({", ".join(f"coalesce(anew.{name}, 0)" for name in SUMS)})
               <> ({", ".join(f"coalesce(kept.{name}, 0)" for name in SUMS)})) both_sides
  JOIN experiments_experimentarm arm ON arm.id = both_sides.arm_id
 ORDER BY both_sides.day, arm.name, both_sides.metric
"""  # noqa: S608 (constants of ours)


def arm_day_faults(experiment: PriceExperiment) -> list[tuple[str, str, date]]:
    """Return the arm, metric and day of every kept change that is not what its units add up to, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(FAULTS_SQL, changes_query(experiment, None))
        return [(arm, metric, day) for arm, metric, day in cursor.fetchall()]
