"""Days on which a listing of an experiment was served another price than its arm's."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from catalog.models.listing import HELD_SOURCES, PriceSource
from experiments.models import PriceExperiment

# A listing under a person's price cannot be drawn, so that such a price comes after the start.
DAYS_SQL = """
WITH members AS (
  SELECT member.listing_id, listing.channel_id, product.category_id
    FROM experiments_experimentunit member
    JOIN catalog_listing listing ON listing.id = member.listing_id
    JOIN catalog_product product ON product.id = listing.product_id
   WHERE member.experiment_id = %(experiment)s
), away AS (
  SELECT members.listing_id, own.valid_from AS since,
         (SELECT min(next.valid_from) FROM catalog_pricechange next
           WHERE next.listing_id = own.listing_id AND next.version > own.version) AS until
    FROM members JOIN catalog_pricechange own ON own.listing_id = members.listing_id
   WHERE own.source = ANY(%(held)s) AND own.valid_from >= %(first)s AND own.valid_from < %(last)s
  UNION ALL
  SELECT members.listing_id, switch.flipped_at, switch.lifted_at
    FROM members JOIN catalog_killswitch switch
      ON (switch.channel_id IS NULL OR switch.channel_id = members.channel_id)
     AND (switch.category_id IS NULL OR switch.category_id = members.category_id)
   WHERE switch.model = ANY(%(models)s) AND switch.flipped_at < %(last)s
     AND (switch.lifted_at IS NULL OR switch.lifted_at > %(first)s)
)
SELECT count(DISTINCT (away.listing_id, calendar.day::date))
  FROM away CROSS JOIN generate_series(
       (greatest(since, %(first)s) AT TIME ZONE %(zone)s)::date,
       (least(coalesce(until, %(last)s), %(last)s) AT TIME ZONE %(zone)s - interval '1 microsecond')::date,
       interval '1 day') AS calendar (day)
"""


def days_not_served(experiment: PriceExperiment, until: date) -> int:
    """Return on how many days of a listing, from the start to a day, its arm was not served for a part or all of it.

    A person's price or a kill switch comes before an arm. What was sold then counts for the arm nevertheless, so that
    an effect is seen as smaller than it is.
    """
    midnight = timezone.make_aware(datetime.combine(until + timedelta(days=1), time()))
    query: dict[str, Any] = {
        "experiment": experiment.pk,
        "held": sorted(HELD_SOURCES),
        "models": ["", PriceSource.EXPERIMENT.value, experiment.code],
        "first": experiment.started_at,
        "last": min(midnight, experiment.stopped_at or midnight),
        "zone": timezone.get_current_timezone_name(),
    }
    with connection.cursor() as cursor:
        cursor.execute(DAYS_SQL, query)
        return int(cursor.fetchone()[0])
