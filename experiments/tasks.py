"""What happens to experiments by the clock. A task may be delivered twice."""

from celery import shared_task
from django.utils import timezone

from experiments.services import hold_out


@shared_task
def draw_holdouts() -> None:
    """Hold out new listings, and those whose experiment ended, where the holdout's hash says so."""
    hold_out.draw_holdouts(now=timezone.now())
