from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from catalog.models import Channel
from optimizer.models import CrossElasticity, TrainingJob

READ_AT_ONCE: Final = 20_000


def newest_cross_job(*, channel: Channel) -> TrainingJob | None:
    """Return the job whose cross-price elasticities count: the newest one that is done."""
    jobs = TrainingJob.objects.filter(channel=channel, kind=TrainingJob.Kind.CROSS, status=TrainingJob.Status.DONE)
    return jobs.order_by("-created_at", "-pk").first()


def cross_elasticities(*, job: TrainingJob) -> NDArray[Any]:
    """Return a job's pairs as an array with the fields `listing`, `other` and `mean`: 24 bytes a pair."""
    rows = CrossElasticity.objects.filter(job=job).order_by("listing_id", "other_id")
    pairs = rows.values_list("listing_id", "other_id", "mean").iterator(chunk_size=READ_AT_ONCE)
    return np.fromiter(pairs, dtype=[("listing", np.int64), ("other", np.int64), ("mean", np.float64)])


def substitute_pairs(channel: Channel) -> NDArray[Any] | None:
    """Return the pairs that count in a channel, as `cross_elasticities` does; None where none were ever learned.

    The settings' ``EXPERIMENT_SUBSTITUTES`` names it for the planner of experiments.
    """
    job = newest_cross_job(channel=channel)
    return None if job is None else cross_elasticities(job=job)
