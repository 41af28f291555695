from typing import Any

from catalog.models import Channel
from optimizer.models import TrainingJob

BY_INSTRUMENTS = "two-stage least squares"


def newest_belief(*, channel: Channel) -> dict[str, Any] | None:
    """Return mean and sd of the channel's newest estimate by instruments, and whose job it is; None without one.

    Estimates with a warning, or by which a higher price sells more, are no belief; nor are those by fixed effects,
    which take prices for given without demand in view.
    """
    jobs = TrainingJob.objects.filter(channel=channel, kind=TrainingJob.Kind.CAUSAL, status=TrainingJob.Status.DONE)
    for pk, result in jobs.order_by("-created_at").values_list("pk", "result").iterator():
        for each in result["estimates"]:
            if each["method"] == BY_INSTRUMENTS and not each["warnings"] and (each["elasticity"] or 0) < 0:
                return {"mean": each["elasticity"], "sd": each["sd"], "estimate": f"training-{pk}"}
    return None
