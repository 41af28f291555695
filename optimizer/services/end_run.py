"""End a run before its prices are published, all or in part: held, or failed."""

import uuid
from datetime import datetime

from django.db import transaction

from optimizer.models import OptimizationRun, Recommendation
from optimizer.selectors.guard_numbers import guard_numbers
from optimizer.services.hand_to_gate import WAITS_FOR_RELEASE, priced


@transaction.atomic
def hold_run(*, run_id: uuid.UUID, error: str, now: datetime) -> OptimizationRun:
    """Hold what a run has not published yet; what is in force stays. Waits for the parts that are being published.

    The rest of a canary waits again: it can be released another time.
    """
    run = _locked_with_its_parts(run_id)
    if run.is_finished:
        return run
    run.status, run.error, run.finished_at = OptimizationRun.Status.HELD, error, now
    if run.released_at is not None:
        rest = priced(run).filter(outcome=Recommendation.Outcome.WAITING, outcome_reason="")
        rest.update(outcome_reason=WAITS_FOR_RELEASE)
        run.status, run.released_at, run.released_by = OptimizationRun.Status.CANARY, None, None
    run.guard_numbers = guard_numbers(run=run)
    run.save()
    return run


@transaction.atomic
def fail_run(*, run_id: uuid.UUID, error: str, now: datetime) -> None:
    """Mark a run as failed with what went wrong; the prices in force stay. Waits for what is being published."""
    run = _locked_with_its_parts(run_id)
    if not run.is_finished:
        run.status, run.error, run.finished_at = OptimizationRun.Status.FAILED, error, now
        run.save(update_fields=["status", "error", "finished_at"])


def _locked_with_its_parts(run_id: uuid.UUID) -> OptimizationRun:
    """Lock a run, then, where it is being published, its chunks: whoever publishes one holds it."""
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)
    if run.is_publishing:
        list(run.chunks.order_by("pk").select_for_update().values_list("pk"))
    return run
