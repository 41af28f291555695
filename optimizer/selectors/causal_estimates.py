from typing import Any

from catalog.models import Channel
from optimizer.models import TrainingJob


def newest_belief(*, channel: Channel) -> dict[str, Any] | None:
    """Return mean and sd of the channel's newest estimate by instruments without a warning, and whose job it is.

    Estimates by fixed effects are no belief: they take prices for given without demand in view.
    """
    jobs = TrainingJob.objects.filter(channel=channel, kind=TrainingJob.Kind.CAUSAL, status=TrainingJob.Status.DONE)
    for job in jobs.order_by("-created_at").iterator():
        for each in job.result["estimates"]:
            if each["effective_f"] is not None and not each["warnings"]:
                return {"mean": each["elasticity"], "sd": each["sd"], "estimate": str(job)}
    return None
