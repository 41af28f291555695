"""End a run before its prices are published, all or in part: held, or failed."""

import uuid
from datetime import datetime

from django.db import transaction

from optimizer.models import OptimizationRun
from optimizer.selectors.guard_numbers import guard_numbers


@transaction.atomic
def hold_run(*, run_id: uuid.UUID, error: str, now: datetime) -> OptimizationRun:
    """Hold what a run has not published yet; what is in force stays. Waits for the parts that are being published."""
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)
    if run.is_finished:
        return run
    list(run.chunks.order_by("pk").select_for_update().values_list("pk"))
    run.guard_numbers = guard_numbers(run=run)
    run.status, run.error, run.finished_at = OptimizationRun.Status.HELD, error, now
    run.save(update_fields=["guard_numbers", "status", "error", "finished_at"])
    return run


@transaction.atomic
def fail_run(*, run_id: uuid.UUID, error: str, now: datetime) -> None:
    """Mark a run as failed with what went wrong; the prices in force stay."""
    run = OptimizationRun.objects.select_for_update().get(pk=run_id)
    if not run.is_finished:
        run.status, run.error, run.finished_at = OptimizationRun.Status.FAILED, error, now
        run.save(update_fields=["status", "error", "finished_at"])
