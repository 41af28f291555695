"""What a unit's amount of one day is cut to, from the days before the start."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from experiments.models import PriceExperiment

USUAL_DAYS = 28

# Days without sales are days of zero, as they are in the experiment.
CAPS_SQL = """
WITH members AS (
  SELECT member.cluster, member.listing_id, listing.unit_cost
    FROM experiments_experimentunit member JOIN catalog_listing listing ON listing.id = member.listing_id
   WHERE member.experiment_id = %(experiment)s AND member.arm_id IS NOT NULL
), sold AS (
  SELECT members.cluster, sales.day, sum(sales.units)::numeric AS units, sum(sales.revenue) AS revenue,
         sum(sales.revenue - sales.units * members.unit_cost) AS profit
    FROM members JOIN catalog_dailysales sales ON sales.listing_id = members.listing_id
   WHERE sales.day BETWEEN %(first)s AND %(last)s GROUP BY members.cluster, sales.day
), days AS (
  SELECT coalesce(sold.units, 0) AS units, coalesce(sold.revenue, 0) AS revenue, coalesce(sold.profit, 0) AS profit
    FROM (SELECT DISTINCT cluster FROM members) clusters
   CROSS JOIN generate_series(%(first)s::date, %(last)s::date, '1 day') AS calendar (day)
    LEFT JOIN sold ON sold.cluster = clusters.cluster AND sold.day = calendar.day::date
)
SELECT percentile_disc(%(quantile)s) WITHIN GROUP (ORDER BY units),
       percentile_disc(%(quantile)s) WITHIN GROUP (ORDER BY revenue),
       percentile_disc(%(quantile)s) WITHIN GROUP (ORDER BY profit)
  FROM days
"""


def winsor_caps_before(*, experiment: PriceExperiment, now: datetime) -> dict[str, str]:
    """Return the caps by metric, fixed before the first fact; none where the plan cuts nothing or nothing is known.

    Of a unit and a day, at the plan's quantile over the days of CUPED (28 without). Units of regions and slots have no
    days before: nothing is cut there. Call it once its units are stored.
    """
    if experiment.winsor_quantile is None:
        return {}
    today = timezone.localdate(now)
    query: dict[str, Any] = {
        "experiment": experiment.pk,
        "first": today - timedelta(days=experiment.cuped_days or USUAL_DAYS),
        "last": today - timedelta(days=1),
        "quantile": float(experiment.winsor_quantile),
    }
    with connection.cursor() as cursor:
        cursor.execute(CAPS_SQL, query)
        found = dict(zip(("units", "revenue", "profit"), cursor.fetchone(), strict=True))
    return {metric: str(cap) for metric, cap in found.items() if cap is not None and cap > 0}
