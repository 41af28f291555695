"""What listings sold on days before an experiment: what like units are matched by, and how much a metric varies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from django.db import connection
from django.db.models import Max
from numpy.typing import NDArray

from catalog.lookups import id_array
from catalog.models import Channel, DailySales
from experiments.models import PriceExperiment

Floats = NDArray[np.float64]
Metric = PriceExperiment.Metric

MOST_PANEL_UNITS: Final = 2_000
PANEL_DAYS: Final = 84

# What a day of a listing counts; the history knows neither exposures nor orders, so that revenue stands in for both.
METRIC_SQL: Final = {
    Metric.PROFIT: "sales.revenue - sales.units * coalesce(listing.unit_cost, 0)",
    Metric.REVENUE: "sales.revenue",
    Metric.UNITS: "sales.units",
    Metric.CONVERSION: "sales.revenue",
    Metric.REVENUE_PER_ORDER: "sales.revenue",
}
KNOWN_METRICS: Final = frozenset({Metric.PROFIT, Metric.REVENUE, Metric.UNITS})

SUMS_SQL = """
SELECT sales.listing_id, sum({metric})::float8
  FROM catalog_dailysales sales JOIN catalog_listing listing ON listing.id = sales.listing_id
 WHERE sales.listing_id = ANY(%(listings)s::bigint[]) AND sales.day BETWEEN %(first)s AND %(last)s
 GROUP BY sales.listing_id
"""
DAYS_SQL = """
SELECT sales.listing_id, sales.day, ({metric})::float8
  FROM catalog_dailysales sales JOIN catalog_listing listing ON listing.id = sales.listing_id
 WHERE sales.listing_id = ANY(%(listings)s::bigint[]) AND sales.day BETWEEN %(first)s AND %(last)s
"""
TOTALS_SQL = """
SELECT sales.day, sum({metric})::float8
  FROM catalog_dailysales sales JOIN catalog_listing listing ON listing.id = sales.listing_id
 WHERE sales.listing_id = ANY(%(listings)s::bigint[]) AND sales.day BETWEEN %(first)s AND %(last)s
 GROUP BY sales.day
"""


@dataclass(frozen=True)
class ListingHistory:
    """A metric of listings until the last day that is known; what was not sold is 0.

    ``listing_ids`` rise. ``last_day`` is None where the channel has no daily sales.
    """

    listing_ids: Sequence[int]
    metric: str
    last_day: date | None

    def daily_means(self, days: int, *, ago: int = 0) -> Floats:
        """Return each listing's metric a day over ``days`` days that end ``ago`` days before the last: (listing,)."""
        place = _places(self.listing_ids)
        result = np.zeros(len(self.listing_ids))
        for pk, total in self._read(SUMS_SQL, self.listing_ids, days, ago):
            result[place[pk]] = total / days
        return result

    def panel(self, chosen: Sequence[int], days: int = PANEL_DAYS) -> Floats:
        """Return the metric of some listings, by index, and day: (chosen, day)."""
        ids = [self.listing_ids[index] for index in chosen]
        place, table = _places(ids), np.zeros((len(ids), days))
        for pk, day, value in self._read(DAYS_SQL, ids, days, 0):
            table[place[pk], self._column(day, days)] = value
        return table

    def totals(self, days: int = PANEL_DAYS) -> Floats:
        """Return the metric of all listings together by day: (day,)."""
        result = np.zeros(days)
        for day, value in self._read(TOTALS_SQL, self.listing_ids, days, 0):
            result[self._column(day, days)] = value
        return result

    def _column(self, day: date, days: int) -> int:
        assert self.last_day is not None  # nothing is read without it
        return days - 1 - (self.last_day - day).days

    def _read(self, statement: str, ids: Sequence[int], days: int, ago: int) -> list[tuple[Any, ...]]:
        if self.last_day is None or not ids:
            return []
        last = self.last_day - timedelta(days=ago)
        period: dict[str, Any] = {"listings": id_array(ids), "first": last - timedelta(days=days - 1), "last": last}
        with connection.cursor() as cursor:
            cursor.execute(statement.format(metric=METRIC_SQL[Metric(self.metric)]), period)
            return cursor.fetchall()


def _places(ids: Sequence[int]) -> dict[int, int]:
    return {pk: index for index, pk in enumerate(ids)}


def listing_history(*, channel: Channel, listing_ids: Sequence[int], metric: str, before: date) -> ListingHistory:
    """Return the history of listings, in rising order of their keys, until the channel's last day of sales."""
    sales = DailySales.objects.filter(listing__channel=channel, day__lt=before)
    return ListingHistory(listing_ids, metric, sales.aggregate(last=Max("day"))["last"])
