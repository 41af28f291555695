"""Steps of a run that come after its chunks: each done once, in one transaction, by whoever comes first."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from optimizer.models import OptimizationRun
from optimizer.services.end_run import fail_run
from optimizer.services.garbage import collection_paused
from optimizer.services.optimize_chunk import MAX_ATTEMPTS


@dataclass(frozen=True)
class RunStep:
    """Name a step, and the columns of the run that say when it was done and how often it was begun."""

    name: str
    done: str
    attempts: str


def do_once(step: RunStep, *, run_id: uuid.UUID, now: datetime, work: Callable[[OptimizationRun], None]) -> bool:
    """Do a step of a run whose chunks are all done; False where it is done, or the run is finished.

    ``work`` runs in a transaction that holds the run, and saves nothing of it but fields that it names: killed in
    between, the step is as if never begun. Every beginning is counted; one begun three times in vain fails the run.
    """
    attempts = _begin(step, run_id)
    if attempts is None:
        return False
    if attempts > MAX_ATTEMPTS:
        fail_run(run_id=run_id, error=f"{step.name} were begun {MAX_ATTEMPTS} times in vain", now=now)
        return False
    with collection_paused():
        return _do(step, run_id, now, work)


@transaction.atomic
def _begin(step: RunStep, run_id: uuid.UUID) -> int | None:
    run = _waiting(step, run_id)
    if run is None:
        return None
    attempts = int(getattr(run, step.attempts)) + 1
    setattr(run, step.attempts, attempts)
    run.save(update_fields=[step.attempts])
    return attempts


@transaction.atomic
def _do(step: RunStep, run_id: uuid.UUID, now: datetime, work: Callable[[OptimizationRun], None]) -> bool:
    run = _waiting(step, run_id)
    if run is None:
        return False
    work(run)
    setattr(run, step.done, now)
    run.save(update_fields=[step.done])
    return True


def _waiting(step: RunStep, run_id: uuid.UUID) -> OptimizationRun | None:
    """Return the run, locked, if its chunks are done and this step is not."""
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)
    decided = run.is_finished or run.is_publishing
    done = decided or getattr(run, step.done) is not None or run.chunks.filter(finished_at=None).exists()
    return None if done else run
