"""The gate's check of related prices: families, size ladders and quality ladders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from catalog.models import Channel, PriceGroup
from catalog.models.listing import PriceSource
from catalog.selectors.listing_rows import PricedListing
from catalog.selectors.price_groups import RelatedListings, related_listings


@dataclass(frozen=True)
class GroupCheck:
    """Which prices would break a relation, by listing id and the relation's name; ``broken`` were let pass."""

    refused: dict[int, str] = field(default_factory=dict)
    broken: dict[int, str] = field(default_factory=dict)


def check_groups(
    *, channel: Channel, listings: Sequence[PricedListing], prices: Mapping[int, Decimal], source: PriceSource
) -> GroupCheck:
    """Judge the prices about to be published together with the other members' prices in force.

    An automatic price may not leave a relation further from being kept than it is now, summed over its neighbours. The
    members of a group whose prices change in this call pass or are refused together; a refusal can leave another group
    of the same product worse, so it is repeated until nothing changes. A person's price passes and is reported.

    Locks the groups after the listings, so that of two calls for members of one group the later sees the earlier.
    """
    changing = {row.pk: prices[row.pk] for row in listings if row.pk in prices and row.price_in_force != prices[row.pk]}
    products = [row.product_id for row in listings if row.pk in changing]
    if not products:
        return GroupCheck()
    touched = PriceGroup.objects.filter(members__product_id__any_of=products).values_list("pk", flat=True)
    locked = PriceGroup.objects.filter(pk__in=list(touched)).order_by("pk").select_for_update(no_key=True)
    groups = related_listings(channel=channel, group_ids=[group.pk for group in locked]) if locked else []
    refused = _refused(groups, changing) if source.is_automatic else {}
    passing = {pk: price for pk, price in changing.items() if pk not in refused}
    return GroupCheck(refused, _broken(groups, passing))


def _refused(groups: Sequence[RelatedListings], changing: Mapping[int, Decimal]) -> dict[int, str]:
    refused: dict[int, str] = {}
    before = [sum(group.shortfalls()) for group in groups]
    while True:
        left = {pk: price for pk, price in changing.items() if pk not in refused}
        worse = {
            row.pk: group.rule.label
            for group, short in zip(groups, before, strict=True)
            if sum(group.shortfalls(left)) > short
            for row in group.listings
            if row.pk in left
        }
        if not worse:
            return refused
        refused |= worse


def _broken(groups: Sequence[RelatedListings], passing: Mapping[int, Decimal]) -> dict[int, str]:
    return {
        row.pk: group.rule.label
        for group in groups
        if any(group.shortfalls(passing))
        for row in group.listings
        if row.pk in passing
    }
