"""Stop an experiment: the prices in force are served again."""

from datetime import datetime

from django.db import transaction

from catalog.services.arms import end_arms
from experiments.models import PriceExperiment
from experiments.services.lifecycle import Status, locked_experiment


@transaction.atomic
def stop_experiment(*, experiment: int, by: str, reason: str, now: datetime) -> PriceExperiment:
    """Stop a running experiment, and serve the prices in force again from the commit on.

    A person calls it, or the watch where a guardrail metric is surely hurt or an arm sells below cost; at its horizon
    it runs on. Of two at once the first one wins.

    Raises:
        PriceExperiment.DoesNotExist: there is none.
        WrongState: it does not run.
    """
    row = locked_experiment(experiment, Status.RUNNING)
    end_arms(channel=row.channel, experiment=row.code, now=max(now, row.started_at or now))
    row.status, row.stopped_at, row.stopped_by, row.stop_reason = Status.STOPPED, now, by, reason.strip()[:300]
    row.save(update_fields=["status", "stopped_at", "stopped_by", "stop_reason"])
    return row
