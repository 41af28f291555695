"""What is about to happen to a price, or holds it: what waits, overrides, a markdown plan, what is measured there."""

from collections.abc import Iterator

from django.urls import reverse

from catalog.admin.cells import admin_url
from catalog.admin.formatting import local_moment, moment, money
from catalog.models import Listing, PriceApproval, PriceOverride
from catalog.models.price_override import OverrideStatus
from catalog.selectors.overrides import live_overrides
from catalog.services.measured import HELD_OUT, measured_listings

Note = tuple[str, str]


def price_notes(listing: Listing) -> list[Note]:
    """Return sentences, each with the page that it is about; empty where nothing holds the price and nothing waits."""
    overrides = live_overrides(listing_ids=[listing.pk])
    held = [*_markdown(listing), *_measured(listing)]
    return [*_waiting(listing), *(_override(row, listing) for row in overrides), *held]


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


def _measured(listing: Listing) -> Iterator[Note]:
    why = measured_listings(listing_ids=[listing.pk]).get(listing.pk)
    if why == HELD_OUT:
        yield "It is held out: nothing automatic changes this price.", admin_url("experiments_holdoutpolicy_changelist")
    elif why:
        served = listing.served_experiments.filter(ended_at=None).prefetch_related("arms").get()
        arms = ", ".join(f"{arm.arm} at {money(arm.price, listing.channel)}" for arm in served.arms.order_by("pk"))
        words = f"Experiment {served.experiment} runs on it ({arms}): nothing automatic changes this price meanwhile."
        yield words, admin_url("experiments_priceexperiment_changelist")
