from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from optimizer.models import OptimizationRun, Recommendation


def run_by_id(*, run_id: UUID) -> OptimizationRun | None:
    """Return a run with ``chunks_total``, ``chunks_done`` and ``chunks_published`` counted."""
    return (
        OptimizationRun.objects.select_related("channel", "fit")
        .annotate(
            chunks_total=Count("chunks"),
            chunks_done=Count("chunks", filter=Q(chunks__finished_at__isnull=False)),
            chunks_published=Count("chunks", filter=Q(chunks__published_at__isnull=False)),
        )
        .filter(pk=run_id)
        .first()
    )


def priced_recommendations(*, run: OptimizationRun) -> QuerySet[Recommendation, Any]:
    """Recommendations of a run that have a price and were not refused."""
    refused = [Recommendation.Outcome.UNPRICED, Recommendation.Outcome.REFUSED]
    return _with_listing(run).exclude(outcome__in=refused)


def unpublished_recommendations(*, run: OptimizationRun) -> QuerySet[Recommendation, Any]:
    """SKUs of a run that were not priced, or whose price the gate refused, with the reason."""
    refused = [Recommendation.Outcome.UNPRICED, Recommendation.Outcome.REFUSED]
    return _with_listing(run).filter(outcome__in=refused)


def _with_listing(run: OptimizationRun) -> QuerySet[Recommendation, Any]:
    return Recommendation.objects.filter(run=run).select_related("listing__product", "listing__channel")
