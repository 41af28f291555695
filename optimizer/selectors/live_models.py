"""Which version of a channel's demand model counts."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from catalog.models import Channel
from optimizer.models import ElasticityFit


def live_fit(*, channel: Channel) -> ElasticityFit | None:
    """Return the fit that runs of a channel price with: the one promoted last."""
    promoted = ElasticityFit.objects.filter(channel=channel, promoted_at__isnull=False)
    return promoted.order_by("-promoted_at", "-pk").first()


def model_versions() -> QuerySet[ElasticityFit, Any]:
    """Fits with ``live_pk``, the key of the one that is live in their channel."""
    same_channel = ElasticityFit.objects.filter(channel=OuterRef("channel"), promoted_at__isnull=False)
    live = same_channel.order_by("-promoted_at", "-pk").values("pk")[:1]
    return ElasticityFit.objects.select_related("channel", "created_by", "promoted_by").annotate(live_pk=Subquery(live))
