"""Groups of related products as they stand in one channel."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from catalog.guardrails import Place, Rule, pair_binds, relation_shortfalls
from catalog.models import Channel, Listing, PriceGroup, PriceGroupMember
from catalog.money import to_basis_points, to_ticks, to_ticks_above

SIZE_UNITS = 1_000  # pack sizes keep three decimals


@dataclass(frozen=True)
class RelatedPair:
    """Two neighbours in a group; ``shortfall``: the minor units by which they miss the relation; ``binds``: they keep
    it, and one minor unit more or less would break it."""

    one: Listing
    two: Listing
    shortfall: int
    binds: bool


@dataclass(frozen=True)
class RelatedListings:
    """A group in one channel: the listings of its active products, in the order of the ladder."""

    group: PriceGroup
    listings: list[Listing]
    places: list[Place]
    exponent: int

    @property
    def rule(self) -> Rule:
        return Rule[self.group.kind.upper()]

    def shortfalls(self, prices: Mapping[int, Decimal] | None = None) -> list[int]:
        """Return by how many minor units each pair of neighbours misses the relation.

        ``prices``, by listing id, stand in for the prices in force.
        """
        return relation_shortfalls(self.rule, self.places, self._ticks(prices or {}))

    def pairs(self) -> list[RelatedPair]:
        """Return the neighbours as their prices in force stand to each other."""
        ticks = self._ticks({})
        return [
            RelatedPair(
                one=self.listings[at],
                two=self.listings[at + 1],
                shortfall=short,
                binds=pair_binds(self.rule, self.places[at], self.places[at + 1], ticks[at], ticks[at + 1]),
            )
            for at, short in enumerate(self.shortfalls())
        ]

    def _ticks(self, prices: Mapping[int, Decimal]) -> list[int]:
        return [to_ticks(prices.get(row.pk, row.price_in_force), self.exponent) for row in self.listings]


def related_listings(
    *, channel: Channel, product_ids: Collection[int] | None = None, group_ids: Collection[int] | None = None
) -> list[RelatedListings]:
    """Return the groups of a channel by key, or those of some products or keys; groups of one listing say nothing."""
    members = PriceGroupMember.objects.filter(Q(group__channel=channel) | Q(group__channel=None))
    if product_ids is not None:
        members = members.filter(group__in=PriceGroupMember.objects.filter(product__in=product_ids).values("group"))
    if group_ids is not None:
        members = members.filter(group__in=group_ids)
    by_group: dict[int, list[PriceGroupMember]] = defaultdict(list)
    for member in members.select_related("group").order_by("group", "position", "pack_size", "product"):
        by_group[member.group_id].append(member)
    products = {member.product_id for rows in by_group.values() for member in rows}
    if not products:
        return []
    listed = {
        row.product_id: row
        for row in Listing.objects.filter(channel=channel, product__in=products, product__is_active=True)
        .select_related("product")
        .order_by("pk")
    }
    groups = (_in_channel(rows, listed, channel) for rows in by_group.values())
    return [group for group in groups if len(group.listings) > 1]


def broken_relations(*, channel: Channel, product_ids: Collection[int]) -> list[tuple[RelatedListings, RelatedPair]]:
    """Return where prices in force of these products miss a relation with a neighbour's."""
    wanted = set(product_ids)
    return [
        (group, pair)
        for group in related_listings(channel=channel, product_ids=wanted)
        for pair in group.pairs()
        if pair.shortfall and wanted & {pair.one.product_id, pair.two.product_id}
    ]


def broken_group_names(listing: Listing) -> list[str]:
    """Return the families and ladders that the price in force of a listing leaves broken."""
    broken = broken_relations(channel=listing.channel, product_ids=[listing.product_id])
    return sorted({group.group.name for group, _ in broken})


def _in_channel(members: list[PriceGroupMember], listed: Mapping[int, Listing], channel: Channel) -> RelatedListings:
    here = [member for member in members if member.product_id in listed]
    return RelatedListings(
        group=members[0].group,
        listings=[listed[member.product_id] for member in here],
        places=[_place(member, channel.currency_exponent) for member in here],
        exponent=channel.currency_exponent,
    )


def _place(member: PriceGroupMember, exponent: int) -> Place:
    return Place(
        size=int((member.pack_size or 0) * SIZE_UNITS),
        step_ticks=0 if member.step_amount is None else to_ticks_above(member.step_amount, exponent),
        step_bp=0 if member.step_fraction is None else to_basis_points(member.step_fraction),
    )
