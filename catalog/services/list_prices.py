"""Bring the shop's own prices into force through the gate."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import F, Q

from catalog.gate import Proposal, PublishReport, publish_prices
from catalog.models import Channel, Listing
from catalog.models.listing import PriceSource


def publish_list_prices(
    *,
    channel: Channel,
    now: datetime,
    listing_ids: Sequence[int] | None = None,
    author: User | None = None,
    reason: str = "",
) -> PublishReport:
    """Publish new list prices, of the whole channel or of some listings, where no other price is in force."""
    waiting = Listing.objects.filter(
        Q(price__isnull=True) | (Q(price_source=PriceSource.LIST_PRICE) & ~Q(price=F("list_price"))), channel=channel
    )
    if listing_ids is not None:
        waiting = waiting.filter(pk__in=listing_ids)
    proposals = [
        Proposal(
            listing_id=pk,
            price=list_price,
            idempotency_key=f"list-price:{version}:{list_price.normalize():f}",
            expected_version=version,
        )
        for pk, list_price, version in waiting.values_list("pk", "list_price", "price_version")
    ]
    return publish_prices(
        channel=channel, proposals=proposals, source=PriceSource.LIST_PRICE, now=now, author=author, reason=reason
    )
