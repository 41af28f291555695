"""Ladders and policies that a process remembers for a moment, behind a fence: they are used while nothing changed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from experiments.models import IntensityPolicy
from experiments.selectors.bandit_experiments import ExperimentBook, Policies
from experiments.selectors.ladders import Ladder, price_ladders

LASTS = timedelta(seconds=5)
"""What changes by the clock alone, such as the age of a competitor's offer, is looked at again after this time."""

MOST_KNOWN = 20_000
"""Listings that a process remembers, some kilobytes each; then it begins anew."""

# xmin is the transaction that wrote a row: it differs after every change. What is read here is all that a ladder and
# its policies are made of; it is read before they are, so that a change in between shows the next time.
FENCE_SQL = """
WITH chosen AS (
  SELECT listing.id, listing.product_id, listing.xmin AS version, product.sku, product.xmin AS product_version
    FROM catalog_listing listing
    JOIN catalog_product product ON product.id = listing.product_id
    JOIN catalog_channel channel ON channel.id = listing.channel_id
   WHERE channel.code = %(channel)s AND product.sku = ANY(%(skus)s)
), related AS (
  SELECT DISTINCT member.group_id FROM catalog_pricegroupmember member JOIN chosen USING (product_id)
), shared AS (
  SELECT md5(concat_ws('|',
    (SELECT string_agg(concat(id, ':', xmin), ',' ORDER BY id) FROM catalog_channel),
    (SELECT string_agg(concat(id, ':', xmin), ',' ORDER BY id) FROM catalog_guardrailpolicy
      WHERE product_id IS NULL OR product_id IN (SELECT product_id FROM chosen)),
    (SELECT string_agg(concat(id, ':', xmin), ',' ORDER BY id) FROM catalog_approvalpolicy),
    (SELECT string_agg(concat(id, ':', xmin), ',' ORDER BY id) FROM catalog_killswitch WHERE lifted_at IS NULL),
    (SELECT string_agg(concat(id, ':', xmin), ',' ORDER BY id) FROM experiments_intensitypolicy),
    (SELECT string_agg(concat(id, ':', xmin), ',' ORDER BY id) FROM experiments_banditexperiment),
    (SELECT string_agg(concat(id, ':', xmin), ',' ORDER BY id) FROM experiments_challenger),
    (SELECT string_agg(concat(tied.id, ':', tied.xmin), ',' ORDER BY tied.id)
       FROM catalog_pricegroup tied JOIN related ON related.group_id = tied.id),
    (SELECT string_agg(concat(member.id, ':', member.xmin, ':', other.id, ':', other.xmin), ',' ORDER BY member.id, other.id)
       FROM catalog_pricegroupmember member JOIN related USING (group_id)
       JOIN catalog_listing other ON other.product_id = member.product_id))) AS version
)
SELECT chosen.sku, concat_ws('|', chosen.id, chosen.version, chosen.product_version, shared.version,
       (SELECT string_agg(concat(offer.id, ':', offer.xmin), ',' ORDER BY offer.id)
          FROM catalog_competitorprice offer WHERE offer.listing_id = chosen.id),
       (SELECT string_agg(concat('e', served.id), ',' ORDER BY served.id)
          FROM catalog_servedexperiment served WHERE served.listing_id = chosen.id AND served.ended_at IS NULL),
       (SELECT string_agg(concat('h', held.id), ',' ORDER BY held.id)
          FROM experiments_holdoutlisting held WHERE held.listing_id = chosen.id AND held.until IS NULL))
  FROM chosen CROSS JOIN shared
"""  # noqa: E501


@dataclass(frozen=True)
class _Known:
    fence: str
    read_at: datetime
    priceable: "Priceable"


@dataclass(frozen=True)
class Priceable:
    """What deciding needs to know of a listing."""

    ladder: Ladder
    policies: Policies
    intensity: IntensityPolicy


class LadderCache:
    """Gives `price_ladders` and the policies of listings, without reading again what did not change."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}

    def priceable(self, *, channel: str, skus: Collection[str], now: datetime) -> dict[str, Priceable]:
        """Return the active listings by SKU with what decides for them, as all of it is now."""
        fences = _fences(channel, skus)
        found = {sku: known.priceable for sku in fences if (known := self._usable(channel, sku, fences[sku], now))}
        if missing := [sku for sku in fences if sku not in found]:
            news = _read(channel, missing, now)
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            self._known |= {(channel, sku): _Known(fences[sku], now, each) for sku, each in news.items()}
            found |= news
        return found

    def _usable(self, channel: str, sku: str, fence: str, now: datetime) -> _Known | None:
        known = self._known.get((channel, sku))
        return known if known and known.fence == fence and now - known.read_at < LASTS else None


def _read(channel: str, skus: Collection[str], now: datetime) -> dict[str, Priceable]:
    experiments, intensity = ExperimentBook.read(channel=channel), intensity_policy(channel)
    ladders = price_ladders(channel=channel, skus=skus, now=now)
    return {
        sku: Priceable(ladder, experiments.policies_of(ladder.listing), intensity) for sku, ladder in ladders.items()
    }


def _fences(channel: str, skus: Collection[str]) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(FENCE_SQL, {"channel": channel, "skus": list(skus)})
        return dict(cursor.fetchall())


def intensity_policy(channel: str) -> IntensityPolicy:
    """Return the channel's thresholds, else those for all channels, else the defaults."""
    policies = IntensityPolicy.objects.filter(channel__code=channel) | IntensityPolicy.objects.filter(channel=None)
    return policies.order_by("channel").first() or IntensityPolicy()  # NULLs, the policy for all, come last
