"""Say what is wrong with requested overrides against the shop as it is now; write nothing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from catalog.gate import checked_prices
from catalog.models import Channel, Listing, PriceOverride
from catalog.models.price_override import OverrideKind, OverrideStatus
from catalog.money import amount_text
from catalog.override_requests import FieldError, OverrideRequest
from catalog.selectors.overrides import live_overrides

# What the gate would refuse today and the one who asks can mend; anything else is left to the gate at the start.
CURES = {
    "loss_floor": FieldError("price", "Below the unit cost: raise the price, or correct the cost."),
    "not_a_minor_unit": FieldError("price", "Not a whole number of minor units: round it."),
    "inactive": FieldError("sku", "The product is not active: make it active first."),
}


@dataclass
class CheckedOverride:
    """A request, the listing that it means, and what stands against it."""

    request: OverrideRequest
    listing: Listing | None
    existing: PriceOverride | None = None
    price_before: Decimal | None = None
    errors: list[FieldError] = field(default_factory=list)

    def wrong(self, name: str, message: str) -> None:
        self.errors.append(FieldError(name, message))


def check_overrides(*, channel: Channel, requests: Sequence[OverrideRequest], now: datetime) -> list[CheckedOverride]:
    """Check requests in their order: SKU, times, overlaps with what is live and with each other, and the gate's rules.

    A request that was scheduled before is found by its idempotency key and not checked again.
    """
    listings = _listings(channel, requests)
    checked = [CheckedOverride(request, listings.get(request.sku)) for request in requests]
    _find_existing(checked)
    fresh = [each for each in checked if each.existing is None]
    for each in fresh:
        _check_listing(each, channel)
        _check_times(each, now)
    known = [each for each in fresh if each.listing is not None]
    _check_overlaps([each for each in known if not each.errors], now)
    _check_prices(channel, known, now)
    return checked


def _listings(channel: Channel, requests: Sequence[OverrideRequest]) -> dict[str, Listing]:
    found = Listing.objects.filter(
        channel=channel, product__sku__in={request.sku for request in requests}
    ).select_related("product", "channel")
    return {row.product.sku: row for row in found}


def _find_existing(checked: Sequence[CheckedOverride]) -> None:
    wanted = {
        (each.listing.pk, each.request.idempotency_key): each
        for each in checked
        if each.listing is not None and each.request.idempotency_key
    }
    found = PriceOverride.objects.filter(
        listing_id__in={listing for listing, _ in wanted}, idempotency_key__in={key for _, key in wanted}
    )
    existing = {(row.listing_id, row.idempotency_key): row for row in found}
    for each in checked:
        if each.listing is not None:
            each.existing = existing.get((each.listing.pk, each.request.idempotency_key))


def _check_listing(each: CheckedOverride, channel: Channel) -> None:
    if each.listing is None:
        each.wrong("sku", f"No SKU {each.request.sku!r} in channel {channel.code!r}: check both.")


def _check_times(each: CheckedOverride, now: datetime) -> None:
    starts_at, ends_at = each.request.starts_at, each.request.ends_at
    if starts_at is not None and starts_at < now:
        each.wrong("starts_at", "In the past: give a later time, or leave it empty to start at once.")
    if ends_at is not None and ends_at <= now:
        each.wrong("ends_at", "In the past: give a later time, or leave it empty for an open end.")
    elif ends_at is not None and starts_at is not None and ends_at <= starts_at:
        each.wrong("ends_at", "Not after the start: give a later time, or leave it empty for an open end.")


def _check_overlaps(checked: Sequence[CheckedOverride], now: datetime) -> None:
    """Compare with what is live, and with the requests before; note the price that each would replace."""
    taken: dict[int, list[tuple[datetime, datetime | None, str]]] = defaultdict(list)
    active: dict[int, PriceOverride] = {}
    for row in live_overrides(listing_ids={each.listing.pk for each in checked if each.listing}):
        taken[row.listing_id].append((row.starts_at, row.ends_at, f"{row.kind} {row.pk}"))
        if row.status == OverrideStatus.ACTIVE:
            active[row.listing_id] = row
    for each in checked:
        assert each.listing is not None
        start, end = each.request.starts_at or now, each.request.ends_at
        for other_start, other_end, name in taken[each.listing.pk]:
            if (end is None or other_start < end) and (other_end is None or start < other_end):
                until = f"to {other_end:%Y-%m-%d %H:%M}" if other_end else "with an open end"
                each.wrong(
                    "starts_at",
                    f"Overlaps {name} ({other_start:%Y-%m-%d %H:%M} {until}, UTC): choose other times, or cancel it.",
                )
                break
        else:
            taken[each.listing.pk].append((start, end, f"the {each.request.kind} of an earlier row"))
            before = active.get(each.listing.pk)
            each.price_before = before.replaced_price if before else each.listing.price_in_force


def _check_prices(channel: Channel, checked: Sequence[CheckedOverride], now: datetime) -> None:
    for each in checked:
        assert each.listing is not None
        before = each.price_before
        if each.request.kind == OverrideKind.PROMOTION and before is not None and each.request.price >= before:
            amount = f"{amount_text(before, channel.currency_exponent)} {channel.currency}"
            each.wrong("price", f"Not below {amount}, which it replaces: lower it, or make it an override.")
    for kind in OverrideKind:
        waiting = [each for each in checked if each.request.kind == kind]
        while waiting:  # the gate takes one price a listing
            once = {each.listing.pk: each for each in reversed(waiting) if each.listing is not None}
            prices = {pk: each.request.price for pk, each in once.items()}
            refused = checked_prices(channel=channel, prices=prices, source=kind.source, now=now).refused
            for pk, reason in refused.items():
                if reason in CURES:
                    once[pk].errors.append(CURES[reason])
            waiting = [each for each in waiting if each.listing is not None and once[each.listing.pk] is not each]
