"""Change what a person knows about a listing: its list price, cost and stock."""

from collections.abc import Collection
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from catalog.models import Listing
from catalog.services.list_prices import publish_list_prices
from catalog.services.parking import WAITS_FOR_APPROVAL
from catalog.services.served_records import serve_anew

DATED_FACTS = ("unit_cost", "inventory")


@transaction.atomic
def change_listing_facts(*, listing: Listing, changed: Collection[str], author: User, now: datetime) -> str | None:
    """Store a new listing, or the changed facts of a known one; return why its list price was refused, or None.

    Only the changed columns are written: a price published meanwhile stays as the gate wrote it. What a person sets is
    no longer assumed. A new list price goes through the gate, and stays the old one where the gate refuses it; where
    another price is in force, that one stays.
    """
    written = [name for name in changed if name in {"list_price", *DATED_FACTS}]
    for fact in DATED_FACTS:
        if fact in written:
            setattr(listing, f"{fact}_assumed", False)
            setattr(listing, f"{fact}_at", now)
            written += [f"{fact}_assumed", f"{fact}_at"]
    before = Listing.objects.filter(pk=listing.pk).values_list("list_price", flat=True).first()
    if listing.pk is None:
        listing.save()
    elif written:
        listing.save(update_fields=written)
    pk = listing.pk
    if "list_price" not in written:
        serve_anew(channel=listing.channel.code, listing_ids=[pk])
        return None
    report = publish_list_prices(
        channel=listing.channel, listing_ids=[pk], author=author, now=now, reason="List price set by hand"
    )
    refusal = WAITS_FOR_APPROVAL if pk in report.waiting else report.refused.get(pk)
    if refusal and before is not None:
        # A list price that is not in force must not be served where nothing else is.
        Listing.objects.filter(pk=pk).update(list_price=before)
    serve_anew(channel=listing.channel.code, listing_ids=[pk])
    return refusal
