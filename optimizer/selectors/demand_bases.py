"""What stored forecasts say of the coming week's demand, for all who price: the optimiser and the feature store."""

from datetime import date, datetime
from typing import Final, NamedTuple

from django.db import connection

from optimizer.models import ElasticityFit

# Fresh is what starts after the newest week that the fit read: it knows no older sales than the fit does. Of two that
# are, the one by week is taken: a week's sum is what it was judged by. Units are of all seven days at the first one's
# price. What expects nothing at all leaves the fit's demand in force.
WEEK_AHEAD: Final = """
SELECT DISTINCT ON (forecast.listing_id) forecast.listing_id, forecast.forecaster_id, forecast.made_at,
       forecast.from_day, forecast.prices[1] AS price, week.units
  FROM optimizer_demandforecast forecast
  JOIN optimizer_elasticityfit newest ON newest.id = %(fit)s AND forecast.from_day > newest.data_to
 CROSS JOIN LATERAL (
       SELECT sum(expected * (forecast.prices[1] / assumed) ^ forecast.elasticity) AS units
         FROM unnest(forecast.expected[:CASE forecast.step WHEN 'day' THEN 7 ELSE 1 END],
                     forecast.prices[:CASE forecast.step WHEN 'day' THEN 7 ELSE 1 END]) AS step(expected, assumed)) week
 WHERE {which} AND week.units > 0
 ORDER BY forecast.listing_id, forecast.step DESC
"""
OF_A_RANGE: Final = WEEK_AHEAD.format(which="forecast.listing_id BETWEEN %(first)s AND %(last)s")
OF_LISTINGS: Final = WEEK_AHEAD.format(which="forecast.listing_id = ANY(%(listings)s)")


class WeekAhead(NamedTuple):
    """Expected units of the week from a day on at a price, and which forecaster said so when."""

    forecaster_id: int
    made_at: datetime
    from_day: date
    price: float
    units: float

    @property
    def forecaster(self) -> str:
        return f"forecaster-{self.forecaster_id}"


def weeks_ahead(*, fit: ElasticityFit, first_pk: int, last_pk: int) -> dict[int, WeekAhead]:
    """Return what is forecast of a range of listings, by listing id, where that is fresh beside the fit."""
    with connection.cursor() as cursor:
        cursor.execute(OF_A_RANGE, {"fit": fit.pk, "first": first_pk, "last": last_pk})
        return {listing: WeekAhead(*rest) for listing, *rest in cursor.fetchall()}
