"""Which approval policy counts for a listing, and what a week of its sales is worth."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from catalog.lookups import id_array
from catalog.models import ApprovalPolicy, Channel
from catalog.models.listing import PriceSource

SALES_WEEKS = 8

WEEKLY_UNITS_SQL = """
WITH latest AS (SELECT max(week) AS week FROM catalog_weeklysales WHERE listing_id = ANY(%(listings)s::bigint[]))
SELECT sales.listing_id, sum(sales.units)::float / %(weeks)s
  FROM catalog_weeklysales sales, latest
 WHERE sales.listing_id = ANY(%(listings)s::bigint[]) AND sales.week > latest.week - 7 * %(weeks)s
 GROUP BY sales.listing_id
"""


@dataclass(frozen=True)
class ApprovalBook:
    """The policies that cover one source in one channel, read once. The narrowest alone counts."""

    for_all: ApprovalPolicy | None
    by_category: dict[int, ApprovalPolicy]
    for_channel: ApprovalPolicy | None
    source: PriceSource

    @classmethod
    def read(cls, *, channel: Channel, source: PriceSource) -> "ApprovalBook":
        rows = list(ApprovalPolicy.objects.select_related("category", "channel"))
        return cls(
            for_all=next((row for row in rows if row.category_id is None and row.channel_id is None), None),
            by_category={row.category_id: row for row in rows if row.category_id is not None},
            for_channel=next((row for row in rows if row.channel_id == channel.pk), None),
            source=source,
        )

    @property
    def is_empty(self) -> bool:
        return not (self.for_all or self.by_category or self.for_channel)

    def policy_for(self, *, category_id: int | None) -> ApprovalPolicy | None:
        """Return the policy that a listing of this category falls under; None: its price passes."""
        by_category = None if category_id is None else self.by_category.get(category_id)
        policy = self.for_channel or by_category or self.for_all
        return policy if policy is not None and self.source in policy.sources else None


def weekly_units(*, listing_ids: Sequence[int]) -> dict[int, float]:
    """Return the units a week that listings sold in the newest eight weeks known of any of them; absent: nothing."""
    if not listing_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(WEEKLY_UNITS_SQL, {"listings": id_array(listing_ids), "weeks": SALES_WEEKS})
        return dict(cursor.fetchall())
