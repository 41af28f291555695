"""What competitors asked in each week of sales."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from catalog.models import Channel
from catalog.reading import copied_csv
from catalog.selectors.competitors import ABSURD_FACTOR, STALE_AFTER

if TYPE_CHECKING:
    import polars as pl

# Of each competitor the newest offer that stood, not stale, when a week ended; an offer stands in the week in which it
# was seen and in those after it, until it is stale.
RIVALS_SQL = """
    SELECT listing_id, week, percentile_cont(0.5) WITHIN GROUP (ORDER BY offer.price) AS theirs
      FROM (SELECT DISTINCT ON (seen.listing_id, seen.competitor, week) seen.listing_id, week, seen.price
              FROM catalog_competitoroffer seen JOIN catalog_listing listing ON listing.id = seen.listing_id
              JOIN catalog_channel channel ON channel.id = listing.channel_id
             CROSS JOIN LATERAL (
                  SELECT date_trunc('week', seen.observed_at AT TIME ZONE 'UTC')::date + 7 * later AS week
                    FROM generate_series(0, {weeks} - 1) later) standing
             WHERE channel.id = {channel}
               AND lower(seen.competitor) <> ALL (SELECT lower(own) FROM unnest(channel.own_sellers) own)
             ORDER BY seen.listing_id, seen.competitor, week, seen.observed_at DESC) offer
      JOIN catalog_weeklysales sales USING (listing_id, week)
     WHERE offer.price BETWEEN sales.price / {absurd} AND sales.price * {absurd}
     GROUP BY listing_id, week ORDER BY listing_id, week
"""


def rival_weeks(*, channel: Channel) -> pl.DataFrame:
    """Return a polars table of what competitors asked in the weeks in which a listing of the channel sold.

    The median of the offers that can be believed beside our own price of the week. Columns: ``listing_id``, ``week``
    (Monday), ``theirs``.
    """
    import polars as pl  # the web loads selectors and need not load it

    text = copied_csv(RIVALS_SQL, channel=channel.pk, weeks=STALE_AFTER.days // 7, absurd=ABSURD_FACTOR)
    types = {"listing_id": pl.Int64, "week": pl.Date, "theirs": pl.Float64}
    return pl.read_csv(io.BytesIO(text), schema_overrides=types)
