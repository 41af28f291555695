"""Overrides and promotions: which are due, when the next is, and those of a listing."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, Min, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat

from catalog.models import PriceApproval, PriceOverride
from catalog.models.price_override import LIVE, OverrideStatus

# One whose price waits for a second person starts once that person has said yes or no, or when it is over.
WAITS = Exists(
    PriceApproval.objects.filter(
        listing=OuterRef("listing"),
        status=PriceApproval.Status.WAITING,
        idempotency_key=Concat(
            Value("override:"), Cast(OuterRef("pk"), TextField()), Value(":start"), output_field=TextField()
        ),
    )
)
# A product that is not sold keeps its price: what should have ended ends when it is sold again.
STARTS = Q(status=OverrideStatus.SCHEDULED) & ~Q(WAITS)
OVER = Q(status=OverrideStatus.SCHEDULED)
ENDS = Q(status=OverrideStatus.ACTIVE, listing__product__is_active=True)


def overrides() -> QuerySet[PriceOverride]:
    """All of them with what a page or an answer shows."""
    return PriceOverride.objects.select_related("listing__product", "listing__channel", "author", "api_key")


def waits_for_approval(override: PriceOverride) -> bool:
    """Tell whether its price waits for a second person."""
    return PriceOverride.objects.filter(WAITS, status=OverrideStatus.SCHEDULED, pk=override.pk).exists()


def due_overrides(*, now: datetime) -> QuerySet[PriceOverride]:
    """Those that should start or end by ``now``, in listing order; of one listing the earlier first."""
    due = (STARTS & Q(period__startswith__lte=now)) | ((ENDS | OVER) & Q(period__endswith__lte=now))
    return PriceOverride.objects.filter(due).select_related("author").order_by("listing_id", "period")


def next_boundary() -> datetime | None:
    """The next moment at which something starts or ends; None while nothing is scheduled."""
    starts = PriceOverride.objects.filter(STARTS).aggregate(at=Min("period__startswith"))["at"]
    ends = PriceOverride.objects.filter(ENDS | OVER).aggregate(at=Min("period__endswith"))["at"]
    return min((at for at in (starts, ends) if at is not None), default=None)


def live_overrides(*, listing_ids: Collection[int]) -> QuerySet[PriceOverride]:
    """Those to come and in force of some listings, the earliest first."""
    return PriceOverride.objects.filter(listing_id__in=listing_ids, status__in=LIVE).order_by("period")
