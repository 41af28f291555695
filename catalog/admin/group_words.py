"""Families and ladders in words: who else is in them, and what a person's price left broken."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html

from catalog.admin.cells import admin_url
from catalog.admin.formatting import money
from catalog.guardrails import Place, Rule
from catalog.models import Channel, Listing
from catalog.money import from_ticks
from catalog.plain_words import rule_words
from catalog.selectors.price_groups import SIZE_UNITS, RelatedListings, RelatedPair, broken_relations, related_listings

KINDS = {"family": "Family", "size_ladder": "Size ladder", "quality_ladder": "Quality ladder"}
TOLD_AT_MOST = 5


def amount_missed(pair: RelatedPair, channel: Channel) -> str:
    return money(from_ticks(pair.shortfall, channel.currency_exponent), channel)


def tell_broken_relations(request: HttpRequest, listings: Collection[Listing]) -> None:
    """Warn of each family or ladder that the prices in force of some listings leave broken."""
    products: dict[Channel, set[int]] = defaultdict(set)
    for listing in listings:
        products[listing.channel].add(listing.product_id)
    broken = [
        _broken_words(group, pair, channel)
        for channel, product_ids in products.items()
        for group, pair in broken_relations(channel=channel, product_ids=product_ids)
    ]
    for words in broken[:TOLD_AT_MOST]:
        messages.warning(request, words)
    if len(broken) > TOLD_AT_MOST:
        messages.warning(request, f"{len(broken) - TOLD_AT_MOST} more pairs are left broken: see Families and ladders.")


def _broken_words(group: RelatedListings, pair: RelatedPair, channel: Channel) -> str:
    one, two = (f"{row.product.sku} at {money(row.price_in_force, channel)}" for row in (pair.one, pair.two))
    return (
        f"{KINDS[group.group.kind]} “{group.group.name}” is left broken: {one} and {two} miss it by "
        f"{amount_missed(pair, channel)} ({rule_words(group.rule.label)})."
    )


def group_tables(listing: Listing) -> list[dict[str, Any]]:
    """Return a table for each family and ladder of a listing: its members in order, with their prices in force."""
    groups = related_listings(channel=listing.channel, product_ids=[listing.product_id])
    return [_table(group, listing) for group in groups]


def _table(group: RelatedListings, listing: Listing) -> dict[str, Any]:
    name = format_html(
        '<a class="text-link" href="{}">{} “{}”</a>: {}',
        admin_url("catalog_pricegroup_change", group.group.pk),
        KINDS[group.group.kind],
        group.group.name,
        rule_words(group.rule.label),
    )
    by_size = group.rule == Rule.SIZE_LADDER
    after = [*(_state(pair, listing.channel) for pair in group.pairs()), ""]
    rows = [
        [
            _name(row, listing),
            money(row.price_in_force, listing.channel),
            *_per_unit(row, place, listing.channel, by_size),
            state,
        ]
        for row, place, state in zip(group.listings, group.places, after, strict=True)
    ]
    return {"title": name, "headers": _headers(by_size), "rows": rows}


def _headers(by_size: bool) -> Sequence[str]:
    return ("Product", "Price", *(("Pack", "Price per unit") if by_size else ()), "With the next one")


def _name(row: Listing, listing: Listing) -> str:
    if row.pk == listing.pk:
        return format_html("<strong>{}</strong> {}", row.product.sku, row.product.name)
    url = admin_url("catalog_listing_change", row.pk)
    return format_html('<a class="text-link" href="{}">{}</a> {}', url, row.product.sku, row.product.name)


def _per_unit(row: Listing, place: Place, channel: Channel, by_size: bool) -> list[str]:
    """Return the pack and the price of a unit in it, a decimal below the minor unit: packs differ by little."""
    if not by_size:
        return []
    unit = row.price_in_force * SIZE_UNITS / place.size
    decimals = Decimal(1).scaleb(-1 - channel.currency_exponent)
    return [f"{place.size / SIZE_UNITS:g}", money(unit.quantize(decimals), channel, exact=True)]


def _state(pair: RelatedPair, channel: Channel) -> str:
    if pair.shortfall:
        missed = f"broken by {amount_missed(pair, channel)}"
        return format_html('<span class="text-red-700 dark:text-red-400">{}</span>', missed)
    return "kept, and just so" if pair.binds else "kept"
