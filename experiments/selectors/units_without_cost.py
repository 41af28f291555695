"""Units whose profit is not known, because a listing of theirs has no cost."""

from django.db.models import Q

from experiments.models import ExperimentUnit, PriceExperiment
from experiments.selectors.arm_moments import Metric, measured_metrics
from experiments.selectors.experiment_arms import READ_FROM_SALES


def needs_costs(experiment: PriceExperiment) -> bool:
    """Return whether the costs of listings are a part of what is measured."""
    return experiment.design in READ_FROM_SALES and Metric.PROFIT in measured_metrics(experiment)


def units_without_cost(experiment: PriceExperiment) -> int:
    """Return how many units have no cost by now, where profit is measured; they have no facts and are not read."""
    if not needs_costs(experiment):
        return 0
    unknown = Q(listing__unit_cost=None) | Q(listing__unit_cost__lte=0)
    members = ExperimentUnit.objects.filter(unknown, experiment=experiment, arm__isnull=False)
    return members.values("cluster").distinct().count()
