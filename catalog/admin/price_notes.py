"""What is about to happen to a price, or holds it: what waits, overrides to come and in force, a markdown plan."""

from collections.abc import Iterator

from django.urls import reverse

from catalog.admin.cells import admin_url
from catalog.admin.formatting import local_moment, moment, money
from catalog.models import Listing, PriceApproval, PriceOverride
from catalog.models.price_override import OverrideStatus
from catalog.selectors.overrides import live_overrides

Note = tuple[str, str]


def price_notes(listing: Listing) -> list[Note]:
    """Return sentences, each with the page that it is about; empty where nothing holds the price and nothing waits."""
    overrides = live_overrides(listing_ids=[listing.pk])
    return [*_waiting(listing), *(_override(row, listing) for row in overrides), *_markdown(listing)]


def _waiting(listing: Listing) -> Iterator[Note]:
    for row in listing.price_approvals.filter(status=PriceApproval.Status.WAITING).select_related("requested_by"):
        who = f", asked by {row.requested_by.get_username()}" if row.requested_by else ""
        words = f"{money(row.price, listing.channel)} waits for a second person{who}."
        yield words, reverse("admin:catalog_priceapproval_change", args=[row.pk])


def _override(row: PriceOverride, listing: Listing) -> Note:
    price = f"{row.get_kind_display().capitalize()} at {money(row.price, listing.channel)}"
    end = f"until {local_moment(row.ends_at, row.time_zone)}" if row.ends_at else "until somebody cancels it"
    start = "" if row.status == OverrideStatus.ACTIVE else f" from {local_moment(row.starts_at, row.time_zone)}"
    words = f"{price}{start} {end} ({row.time_zone}): {row.reason}."
    return words, reverse("admin:catalog_priceoverride_change", args=[row.pk])


def _markdown(listing: Listing) -> Iterator[Note]:
    if listing.markdown_until is not None:
        words = f"A markdown plan sets this price until {moment(listing.markdown_until)}."
        plans = admin_url("optimizer_markdownplan_changelist")
        yield words, f"{plans}?q={listing.product.sku}" if plans else ""
