"""Table cells that several lists share."""

from typing import Any
from uuid import UUID

from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog.admin.formatting import money
from catalog.models import Channel, Listing

SOURCE_COLOURS = {
    "list price": "default",
    "optimiser": "primary",
    "bandit": "info",
    "experiment": "info",
    "override": "warning",
    "rollback": "danger",
    "promotion": "warning",
    "markdown": "warning",
}


def product_cell(listing: Listing) -> list[str]:
    """Name over SKU and channel; for a column with ``header=True``."""
    return [listing.product.name, f"{listing.product.sku} · {listing.channel.code}"]


def listing_name(listing: Listing) -> str:
    return f"{listing.product.sku} in {listing.channel.code}"


def sentence(text: str) -> SafeString:
    """A text that may take three lines of a row."""
    return format_html(
        '<span class="block text-xs whitespace-normal" style="min-width:10rem;max-width:26rem">{}</span>', text
    )


def assumable(text: str, assumed: bool) -> str:
    """A fact, marked where the demo made it up."""
    if not assumed:
        return text
    return format_html(
        '{}<br><span class="text-orange-700 dark:text-orange-400 text-xs" title="Made up by the demo\'s rule">assumed'
        "</span>",
        text,
    )


def with_note(text: str, note: str) -> SafeString:
    """A figure over a small note."""
    return format_html('{}<br><span class="text-subtle text-xs">{}</span>', text, note)


def price_step(price: Any, previous: Any, channel: Channel) -> str:
    """The price, with an arrow from the one before."""
    if price is None or previous is None or price == previous:
        return money(price, channel)
    arrow = "▲" if price > previous else "▼"
    colour = "text-green-700 dark:text-green-400" if price > previous else "text-red-700 dark:text-red-400"
    return format_html(
        '<span class="whitespace-nowrap" title="before: {}"><span class="{} text-xs">{}</span> {}</span>',
        money(previous, channel),
        colour,
        arrow,
        money(price, channel),
    )


def admin_url(name: str, *arguments: Any) -> str:
    """Return an admin page's address; empty where a floor that is not installed owns it."""
    try:
        return reverse(f"admin:{name}", args=arguments)
    except NoReverseMatch:
        return ""


def run_url(run_id: UUID | None) -> str:
    return admin_url("optimizer_optimizationrun_change", run_id) if run_id else ""
