"""The prior price of Directive 98/6/EC Art. 6a: the lowest price applied in the 30 days before a reduction began.

The arms of an experiment and the bandit's single offers were applied as well, to some shoppers: the lowest arm counts
while its experiment ran, the lowest offer on its day.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import connection

from catalog.lookups import id_array
from catalog.price_law import NO_RULE, CountryRule, window_opening

# The price in force when the window opened counts too, however old its row is; before the first row that was the list
# price, which the first row names as the price before it.
LOWEST_PRICES_SQL = """
SELECT wanted.listing_id, (
    SELECT min(applied.price) FROM (
        (SELECT least(price, CASE WHEN version = 1 THEN previous_price END) FROM catalog_pricechange
          WHERE listing_id = wanted.listing_id AND valid_from > %(opens)s AND valid_from <= %(until)s)
        UNION ALL
        (SELECT price FROM catalog_pricechange
          WHERE listing_id = wanted.listing_id AND valid_from <= %(opens)s
          ORDER BY valid_from DESC, version DESC LIMIT 1)
        UNION ALL
        (SELECT arm.price FROM catalog_servedexperiment experiment
           JOIN catalog_servedarm arm ON arm.served_experiment_id = experiment.id
          WHERE experiment.listing_id = wanted.listing_id AND experiment.started_at <= %(until)s
            AND coalesce(experiment.ended_at, 'infinity') > %(opens)s)
        UNION ALL
        (SELECT price FROM catalog_lowestoffer
          WHERE listing_id = wanted.listing_id AND day BETWEEN (%(opens)s AT TIME ZONE 'UTC')::date
            AND (%(until)s AT TIME ZONE 'UTC')::date)
    ) applied(price)
)
FROM unnest(%(listings)s::bigint[]) AS wanted(listing_id)
"""


def lowest_recent_prices(
    *, listing_ids: Sequence[int], until: datetime, rule: CountryRule = NO_RULE
) -> dict[int, Decimal]:
    """Return the lowest price applied in the rule's window up to ``until``; absent where nothing was published."""
    with connection.cursor() as cursor:
        cursor.execute(
            LOWEST_PRICES_SQL, {"listings": id_array(listing_ids), "opens": window_opening(until, rule), "until": until}
        )
        return {listing: price for listing, price in cursor.fetchall() if price is not None}
