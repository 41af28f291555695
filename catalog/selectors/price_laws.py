"""The price in force as the law sees it: what applied, judged by the rule of the channel's country."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import connection

from catalog.lookups import id_array
from catalog.models import PriceLawRule
from catalog.price_law import NO_RULE, CountryRule, PriceBeside

SPARE_DAYS = 2  # windows open at a local midnight, up to a day and a half before so many times 24 hours

# From one window before the last change that was no reduction: a running reduction, with all its steps, began after it.
HISTORIES_SQL = """
SELECT listing.id, applied.version, applied.valid_from, applied.price, applied.previous_price
  FROM unnest(%(listings)s::bigint[]) AS listing(id)
 CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT valid_from FROM catalog_pricechange
             WHERE listing_id = listing.id AND valid_from <= %(until)s
               AND (previous_price IS NULL OR price >= previous_price)
             ORDER BY valid_from DESC, version DESC LIMIT 1), '-infinity') - make_interval(days => %(days)s) AS begins
 ) bound
 CROSS JOIN LATERAL (
        (SELECT version, valid_from, price, previous_price FROM catalog_pricechange
          WHERE listing_id = listing.id AND valid_from > bound.begins AND valid_from <= %(until)s)
        UNION ALL
        (SELECT version, valid_from, price, previous_price FROM catalog_pricechange
          WHERE listing_id = listing.id AND valid_from <= bound.begins
          ORDER BY valid_from DESC, version DESC LIMIT 1)
 ) applied
 ORDER BY listing.id, applied.version
"""

BESIDE_SQL = """
SELECT experiment.listing_id, experiment.started_at, experiment.ended_at, min(arm.price)
  FROM catalog_servedexperiment experiment JOIN catalog_servedarm arm ON arm.served_experiment_id = experiment.id
 WHERE experiment.listing_id = ANY(%(listings)s::bigint[])
 GROUP BY experiment.id
 UNION ALL
SELECT listing_id, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC', price
  FROM catalog_lowestoffer WHERE listing_id = ANY(%(listings)s::bigint[])
"""


@dataclass(slots=True)
class AppliedPrices:
    """A listing's newest prices, oldest first, as far back as its price in force can be judged from."""

    price_before: Decimal | None = None
    versions: list[int] = field(default_factory=list)
    changes: list[tuple[datetime, Decimal]] = field(default_factory=list)

    def up_to(self, version: int) -> list[tuple[datetime, Decimal]]:
        """Return the changes that were published up to a version."""
        return [change for number, change in zip(self.versions, self.changes, strict=True) if number <= version]


def price_laws(countries: Iterable[str]) -> dict[str, CountryRule]:
    """Return each country's rule; of a country without one, that nothing is judged."""
    wanted = set(countries)
    rules = {rule.country: rule.as_rule() for rule in PriceLawRule.objects.filter(country__in=wanted)}
    return {country: rules.get(country, NO_RULE) for country in wanted}


def applied_prices(
    *, listing_ids: Sequence[int], until: datetime | str = "infinity", rules: Iterable[CountryRule]
) -> dict[int, AppliedPrices]:
    """Return the histories that the rules ask for, by listing; a listing that was never published is absent."""
    days = max((rule.window_days for rule in rules), default=NO_RULE.window_days) + SPARE_DAYS
    histories: dict[int, AppliedPrices] = {}
    with connection.cursor() as cursor:
        cursor.execute(HISTORIES_SQL, {"listings": id_array(listing_ids), "until": until, "days": days})
        for listing, version, valid_from, price, previous in cursor.fetchall():
            history = histories.setdefault(listing, AppliedPrices(previous))
            history.versions.append(version)
            history.changes.append((valid_from, price))
    return histories


def prices_beside(*, listing_ids: Sequence[int]) -> dict[int, list[PriceBeside]]:
    """Return what was ever applied beside the price in force, by listing: each experiment's lowest arm, each day's
    lowest single offer."""
    found: dict[int, list[PriceBeside]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(BESIDE_SQL, {"listings": id_array(listing_ids)})
        for listing, begins, ends, price in cursor.fetchall():
            found[listing].append(PriceBeside(begins, ends, price))
    return found
