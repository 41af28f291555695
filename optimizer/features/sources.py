"""What the tables say now about facts that change: one statement a group of snapshots, the numbers in its order.

NULL is what is not known; a number that would only be made up is never put in its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Max, Min

from catalog.models import Channel, WeeklySales
from catalog.selectors.competitors import ABSURD_FACTOR, STALE_AFTER
from optimizer.selectors.demand_bases import OF_LISTINGS
from optimizer.selectors.live_models import live_fit

# A week without sales has no row, so a sum over weeks that the shop has imported is 0 and known.
WEEKLY_SALES: Final = """
SELECT listing.id AS listing_id, (%(newest_week)s::date + 7)::timestamp AT TIME ZONE 'UTC' AS event_at, ARRAY[
       coalesce(sum(sales.units) FILTER (WHERE age < 1), 0),
       CASE WHEN %(weeks)s >= 4 THEN coalesce(sum(sales.units) FILTER (WHERE age < 4), 0) END,
       CASE WHEN %(weeks)s >= 13 THEN coalesce(sum(sales.units), 0) END,
       CASE WHEN %(weeks)s >= 4 THEN coalesce(sum(sales.revenue) FILTER (WHERE age < 4), 0) END,
       CASE WHEN %(weeks)s >= 13 THEN coalesce(sum(sales.revenue), 0) END,
       CASE WHEN %(weeks)s >= 13 THEN count(sales.id) END,
       sum(sales.revenue) FILTER (WHERE age < 4) / sum(sales.units) FILTER (WHERE age < 4)
       ]::float8[] AS numbers
  FROM catalog_listing listing
  LEFT JOIN catalog_weeklysales sales ON sales.listing_id = listing.id
        AND sales.week > %(newest_week)s::date - 13 * 7 AND sales.week <= %(newest_week)s::date
 CROSS JOIN LATERAL (SELECT (%(newest_week)s::date - sales.week) / 7 AS age) weeks
 WHERE listing.id = ANY(%(listings)s) AND %(newest_week)s::date IS NOT NULL
 GROUP BY listing.id
"""

PRICE: Final = """
SELECT listing.id AS listing_id, greatest(listing.price_since, listing.unit_cost_at) AS event_at, ARRAY[
       in_force, list_price, unit_cost, (in_force - unit_cost) / in_force,
       CASE WHEN unit_cost IS NOT NULL THEN unit_cost_assumed::int END]::float8[] AS numbers
  FROM catalog_listing listing CROSS JOIN LATERAL (SELECT coalesce(price, list_price) AS in_force) now
 WHERE listing.id = ANY(%(listings)s)
"""

STOCK: Final = """
SELECT listing.id AS listing_id, listing.inventory_at AS event_at,
       ARRAY[inventory, CASE WHEN inventory IS NOT NULL THEN inventory_assumed::int END]::float8[] AS numbers
  FROM catalog_listing listing WHERE listing.id = ANY(%(listings)s)
"""

# Offers are believed by the rule of catalog.selectors.competitors.
COMPETITORS: Final = """
SELECT listing.id AS listing_id, max(offer.observed_at) AS event_at, ARRAY[
       min(offer.price) FILTER (WHERE believed),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY offer.price) FILTER (WHERE believed),
       CASE WHEN count(offer.id) > 0 THEN count(*) FILTER (WHERE believed) END,
       in_force / percentile_disc(0.5) WITHIN GROUP (ORDER BY offer.price) FILTER (WHERE believed),
       extract(epoch FROM (array_agg(offer.observed_at ORDER BY offer.price, offer.observed_at DESC)
                           FILTER (WHERE believed))[1]),
       (bool_or(offer.assumed) FILTER (WHERE believed))::int]::float8[] AS numbers
  FROM (SELECT listed.id, list_price, coalesce(price, list_price) AS in_force, own_sellers
          FROM catalog_listing listed JOIN catalog_channel channel ON channel.id = listed.channel_id) listing
  LEFT JOIN catalog_competitorprice offer ON offer.listing_id = listing.id AND offer.observed_at <= %(now)s
 CROSS JOIN LATERAL (SELECT offer.observed_at > %(fresh)s
                        AND offer.price BETWEEN list_price / %(absurd)s AND list_price * %(absurd)s
                        AND lower(offer.competitor) <> ALL (SELECT lower(own) FROM unnest(own_sellers) own)
                         AS believed) rule
 WHERE listing.id = ANY(%(listings)s)
 GROUP BY listing.id, in_force
"""

ELASTICITY: Final = """
SELECT listing.id AS listing_id, fit.created_at AS event_at,
       ARRAY[mean, sd, shrinkage, informed::int, reference_price, base_demand]::float8[] AS numbers
  FROM catalog_listing listing
  LEFT JOIN optimizer_elasticityestimate estimate
         ON estimate.listing_id = listing.id AND estimate.fit_id = %(fit)s
  LEFT JOIN optimizer_elasticityfit fit ON fit.id = estimate.fit_id
 WHERE listing.id = ANY(%(listings)s)
"""

# Demand as optimizer.services.recommendations moves it to the price in force: E[Q] = Q0 exp(m x + s² x² / 2), from the
# fit's reference price, or a fresh forecast's, as optimizer.selectors.estimates has it.
FORECAST: Final = f"""
SELECT listing.id AS listing_id,
       greatest(coalesce(ahead.made_at, fit.created_at), listing.price_since, listing.inventory_at) AS event_at,
       ARRAY[demand, sqrt(log_demand_sd ^ 2 + (sd * x) ^ 2), demand * in_force,
             listing.inventory / nullif(demand, 0),
             CASE WHEN demand IS NOT NULL THEN (ahead.units IS NOT NULL)::int END]::float8[] AS numbers
  FROM (SELECT *, coalesce(price, list_price)::float8 AS in_force FROM catalog_listing) listing
  LEFT JOIN optimizer_elasticityestimate estimate
         ON estimate.listing_id = listing.id AND estimate.fit_id = %(fit)s
  LEFT JOIN optimizer_elasticityfit fit ON fit.id = estimate.fit_id
  LEFT JOIN ({OF_LISTINGS}) ahead ON ahead.listing_id = estimate.listing_id
 CROSS JOIN LATERAL (SELECT ln(in_force / coalesce(ahead.price, reference_price)) AS x) moved
 CROSS JOIN LATERAL (SELECT coalesce(ahead.units, base_demand) * exp(mean * x + (sd * x) ^ 2 / 2) AS demand) expected
 WHERE listing.id = ANY(%(listings)s)
"""  # noqa: S608

SOURCES: Final[Mapping[str, str]] = {
    "weekly_sales": WEEKLY_SALES,
    "price": PRICE,
    "stock": STOCK,
    "competitors": COMPETITORS,
    "elasticity": ELASTICITY,
    "forecast": FORECAST,
}

# Groups about which nothing was ever known get no row; one that is known no longer gets a row without numbers.
CHANGED: Final = """
SELECT source.listing_id, source.event_at, source.numbers::text
  FROM ({source}) source
  LEFT JOIN LATERAL (
       SELECT event_at, numbers FROM optimizer_featuresnapshot
        WHERE listing_id = source.listing_id AND feature_group = %(group)s
        ORDER BY known_at DESC, id DESC LIMIT 1) latest ON true
 WHERE CASE WHEN latest.numbers IS NULL THEN cardinality(array_remove(source.numbers, NULL)) > 0
            ELSE source.numbers IS DISTINCT FROM latest.numbers OR source.event_at IS DISTINCT FROM latest.event_at END
"""

Change = tuple[int, datetime | None, str]
"""Listing, when it was so, and the numbers as Postgres writes an array."""


@dataclass(frozen=True)
class SourceRange:
    """What is the same for all listings of a channel: its weeks of imported sales and its newest fit."""

    newest_week: date | None
    weeks: int
    fit: int | None


def source_range(*, channel: Channel) -> SourceRange:
    """Read it once a refresh, for all chunks."""
    found = WeeklySales.objects.filter(listing__channel=channel).aggregate(first=Min("week"), last=Max("week"))
    weeks = (found["last"] - found["first"]).days // 7 + 1 if found["last"] else 0
    fit = live_fit(channel=channel)
    return SourceRange(found["last"], weeks, None if fit is None else fit.pk)


def changed_facts(*, group: str, listing_ids: Sequence[int], of: SourceRange, now: datetime) -> list[Change]:
    """Return the listings whose group is not as the history last recorded it."""
    parameters: dict[str, Any] = {
        "group": group,
        "listings": list(listing_ids),
        "now": now,
        "fresh": now - STALE_AFTER,
        "absurd": ABSURD_FACTOR,
        "newest_week": of.newest_week,
        "weeks": of.weeks,
        "fit": of.fit,
    }
    with connection.cursor() as cursor:
        cursor.execute(CHANGED.format(source=SOURCES[group]), parameters)
        return cursor.fetchall()
