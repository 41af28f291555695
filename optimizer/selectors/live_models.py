"""Which version of a channel's demand model counts, and how long they took to be learned."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum

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


@dataclass(frozen=True)
class InferenceTimes:
    """How many models a device learned by a method, and in how many seconds together."""

    method: str
    device: str
    fits: int
    seconds: float


def inference_times() -> list[InferenceTimes]:
    """Return the time that it took to infer the posterior of all models that are kept, by method and device."""
    rows = ElasticityFit.objects.values("method", "device").order_by("method", "device")
    counted = rows.annotate(fits=Count("pk"), total=Sum("seconds"))
    return [InferenceTimes(row["method"], row["device"], row["fits"], row["total"]) for row in counted]
