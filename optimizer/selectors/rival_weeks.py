"""What competitors asked in each week of sales."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from catalog.models import Channel
from catalog.reading import read_tuples
from catalog.selectors.competitors import STALE_AFTER
from optimizer.selectors.rival_days import rival_offers

if TYPE_CHECKING:
    import polars as pl

WEEK = timedelta(weeks=1)
WEEKS_CARRIED = STALE_AFTER // WEEK


def rival_weeks(*, channel: Channel, first: date, last: date) -> pl.DataFrame:
    """Return a polars table of the offers that stood when a week ended, of the weeks (Mondays) first to last.

    Of each competitor the newest one, if it was not stale by then. Columns: ``listing_id``, ``week``, ``theirs``.
    """
    import polars as pl  # the web loads selectors and need not load it

    begin, end = (datetime.combine(day, time(), UTC) for day in (first - STALE_AFTER, last + WEEK))
    offers = rival_offers(channel=channel, since=begin, now=end)
    rows = read_tuples(offers.values_list("listing_id", "competitor", "observed_at", "price"))
    seen = pl.DataFrame(
        [(listing, name, at, float(price)) for listing, name, at, price in rows],
        schema={"listing_id": pl.Int64, "competitor": pl.String, "at": pl.Datetime("us", "UTC"), "theirs": pl.Float64},
        orient="row",
    )
    carried = pl.DataFrame({"later": range(WEEKS_CARRIED)}, schema={"later": pl.Int64})
    return (
        seen.join(carried, how="cross")
        .with_columns(week=pl.col("at").dt.date().dt.truncate("1w") + pl.duration(weeks="later"))
        .filter(pl.col("week").is_between(first, last))
        .sort("at")
        .group_by("listing_id", "competitor", "week")
        .last()
        .select("listing_id", "week", "theirs")
        .sort("listing_id", "week", "theirs")
    )
