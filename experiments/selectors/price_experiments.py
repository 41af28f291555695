from django.db.models import QuerySet

from experiments.models import PriceExperiment


def price_experiments(*, status: str | None = None) -> QuerySet[PriceExperiment]:
    """Return price experiments with what their pages show of each; the plans are left in the database."""
    found = PriceExperiment.objects.select_related("channel", "layer", "category", "promoted_arm").defer("plan")
    found = found.prefetch_related("arms", "guardrails")
    return found if status is None else found.filter(status=status)
