"""Work on experiments for the workers. Messages carry keys, never data; a task may be delivered twice."""

from celery import shared_task
from django.utils import timezone

from experiments.models import PriceExperiment
from experiments.services import hold_out
from experiments.services.watch_experiment import watch_experiment

WATCHED = (PriceExperiment.Status.RUNNING, PriceExperiment.Status.STOPPED)
"""One that stopped is watched until it is decided: sales of its last days come in late."""


@shared_task
def watch_experiments() -> None:
    """Send a task for every experiment whose facts may have news."""
    for pk in PriceExperiment.objects.filter(status__in=WATCHED).order_by("pk").values_list("pk", flat=True):
        watch_one_experiment.delay(pk)


@shared_task
def watch_one_experiment(experiment_id: int) -> None:
    experiment = PriceExperiment.objects.select_related("channel").get(pk=experiment_id)
    if experiment.status in WATCHED:
        watch_experiment(experiment=experiment, now=timezone.now())


@shared_task
def draw_holdouts() -> None:
    """Hold out new listings, and those whose experiment ended, where the holdout's hash says so."""
    hold_out.draw_holdouts(now=timezone.now())
