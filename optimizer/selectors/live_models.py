"""Which version of a channel's demand model counts."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from catalog.models import Channel
from optimizer.models import ElasticityFit

NEWEST_FIRST = ("-promoted_at", "-pk")


def live_fit(*, channel: Channel) -> ElasticityFit | None:
    """Return the fit that runs of a channel price with: the one promoted last."""
    return promoted_fits().filter(channel=channel).first()


def live_fits() -> QuerySet[ElasticityFit, Any]:
    """Return the live fit of every channel."""
    return promoted_fits().order_by("channel_id", *NEWEST_FIRST).distinct("channel_id")


def promoted_fits() -> QuerySet[ElasticityFit, Any]:
    """Return the fits that are live or were, the one promoted last first."""
    return ElasticityFit.objects.filter(promoted_at__isnull=False).order_by(*NEWEST_FIRST)


def model_versions() -> QuerySet[ElasticityFit, Any]:
    """Fits with ``live_pk``, the key of the one that is live in their channel."""
    live = promoted_fits().filter(channel=OuterRef("channel")).values("pk")[:1]
    return ElasticityFit.objects.select_related("channel", "created_by", "promoted_by").annotate(live_pk=Subquery(live))
