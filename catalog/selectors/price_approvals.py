"""Prices that wait, or waited, for a second person."""

from django.db.models import QuerySet

from catalog.models import PriceApproval

COUNTED_AT_MOST = 99


def price_approvals(*, status: str | None = None) -> QuerySet[PriceApproval]:
    """Return parked prices, newest first; of one status or of all."""
    rows = PriceApproval.objects.select_related(
        "listing__product", "listing__channel", "requested_by", "decided_by"
    ).order_by("-pk")
    return rows if status is None else rows.filter(status=status)


def waiting_count() -> int:
    """Return how many prices wait, counted up to 100: the query stays as fast with a million of them."""
    waiting = PriceApproval.objects.filter(status=PriceApproval.Status.WAITING)
    return len(waiting.values_list("pk", flat=True)[: COUNTED_AT_MOST + 1])
