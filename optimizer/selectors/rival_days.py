"""Our prices beside competitors' offers, day by day."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db.models import QuerySet
from django.db.models.functions import Lower

from catalog.models import Channel, CompetitorOffer, PriceChange
from catalog.reading import read_tuples

if TYPE_CHECKING:
    import polars as pl

PAIR: Final = ["listing_id", "competitor"]
MOMENT: Final = timedelta(microseconds=1)


def rival_offers(*, channel: Channel, since: datetime, now: datetime) -> QuerySet[CompetitorOffer]:
    """Return the offers for a channel's listings that were seen in (since, now]; the shop's own are left out."""
    offers = CompetitorOffer.objects.filter(listing__channel=channel, observed_at__gt=since, observed_at__lte=now)
    own = [seller.lower() for seller in channel.own_sellers]
    return offers.annotate(seller=Lower("competitor")).exclude(seller__in=own) if own else offers


def rival_days(*, channel: Channel, since: datetime, now: datetime, carried_days: int) -> pl.DataFrame:
    """Return a polars table with one row a listing, competitor and day (UTC) that is over; sorted by these.

    A row says what was in force when the day ended. An offer stands on the day on which it was seen and, unless there
    is a newer one, the ``carried_days`` after it; other days have no row.

    Columns: ``listing_id``, ``competitor``, ``day``, ``own`` (our price, null where none is known), ``theirs``, ``age``
    (whole days since the offer was seen).
    """
    import polars as pl  # the web loads selectors and need not load it

    rows = read_tuples(rival_offers(channel=channel, since=since, now=now).values_list(*PAIR, "observed_at", "price"))
    offers = pl.DataFrame(
        [(listing, name, at, float(price)) for listing, name, at, price in rows],
        schema={"listing_id": pl.Int64, "competitor": pl.String, "at": pl.Datetime("us", "UTC"), "theirs": pl.Float64},
        orient="row",
    ).sort("at")
    offers = offers.with_columns(seen=pl.col("at").dt.date())
    over = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    days = (
        offers.select(*PAIR, "seen")
        .unique()
        .join(pl.DataFrame({"later": range(carried_days + 1)}, schema={"later": pl.Int64}), how="cross")
        .select(*PAIR, day=pl.col("seen") + pl.duration(days="later"))
        .unique()
        .with_columns(at=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + timedelta(days=1) - MOMENT)
        .filter(pl.col("at") < over)
        .sort("at")
    )
    own = _own_prices(offers["listing_id"].unique().to_list(), since, now)
    return (
        days.join_asof(offers, on="at", by=PAIR, check_sortedness=False)
        .join_asof(own, on="at", by="listing_id", check_sortedness=False)
        .select(*PAIR, "day", "own", "theirs", age=(pl.col("day") - pl.col("seen")).dt.total_days())
        .sort(*PAIR, "day")
    )


def _own_prices(listing_ids: list[int], since: datetime, now: datetime) -> pl.DataFrame:
    """Return our prices by the moment from which they were in force, in the order of time.

    The first change in the period names the price before it, which was in force from the beginning; a listing whose
    price did not change has none, and nothing to learn from.
    """
    import polars as pl

    changes = PriceChange.objects.filter(listing_id__any_of=listing_ids, valid_from__gt=since, valid_from__lte=now)
    found: list[tuple[Any, ...]] = read_tuples(
        changes.order_by("valid_from", "version").values_list("listing_id", "valid_from", "price", "previous_price")
    )
    first = {listing: previous for listing, _, _, previous in reversed(found)}
    before = [(listing, since, float(price)) for listing, price in first.items() if price is not None]
    rows = [*before, *((listing, at, float(price)) for listing, at, price, _ in found)]
    return pl.DataFrame(
        rows, schema={"listing_id": pl.Int64, "at": pl.Datetime("us", "UTC"), "own": pl.Float64}, orient="row"
    )
