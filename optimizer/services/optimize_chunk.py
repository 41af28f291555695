"""Compute one chunk of a run with the engine. Only workers and commands load this file."""

import time
import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from optimizer.models import OptimizationRun, RunChunk
from optimizer.services.end_run import fail_run
from optimizer.services.garbage import collection_paused
from optimizer.services.recommendations import recommend

MAX_ATTEMPTS = 3


def optimize_chunk(*, run_id: uuid.UUID, first_pk: int, now: datetime) -> bool:
    """Compute and store the recommendations of one chunk, once; False where it is done or another process is at it.

    One transaction holds the chunk's lock while it is computed: a chunk delivered twice is written once, and one whose
    worker was killed is as if never begun. Every beginning is counted; a chunk begun three times fails its run.
    """
    attempts = _begin(run_id, first_pk)
    if attempts is None:
        return False
    if attempts > MAX_ATTEMPTS:
        fail_run(
            run_id=run_id, error=f"the chunk from listing {first_pk} was begun {MAX_ATTEMPTS} times in vain", now=now
        )
        return False
    try:
        with collection_paused():
            return _compute(run_id, first_pk, now)
    except Exception as error:
        _unfinished(run_id).update(error=f"chunk from listing {first_pk}: {error}")
        raise


@transaction.atomic
def _begin(run_id: uuid.UUID, first_pk: int) -> int | None:
    chunk = _lock(run_id, first_pk)
    if chunk is None:
        return None
    chunk.attempts += 1
    chunk.save(update_fields=["attempts"])
    return chunk.attempts


@transaction.atomic
def _compute(run_id: uuid.UUID, first_pk: int, now: datetime) -> bool:
    started = time.monotonic()
    chunk = _lock(run_id, first_pk)
    if chunk is None:
        return False
    device = recommend(run=chunk.run, first_pk=chunk.first_pk, last_pk=chunk.last_pk, now=now)
    chunk.finished_at, chunk.seconds = now, time.monotonic() - started
    chunk.save(update_fields=["finished_at", "seconds"])
    _unfinished(run_id).update(device=device, status=OptimizationRun.Status.RUNNING, error="")
    return True


def _unfinished(run_id: uuid.UUID) -> QuerySet[OptimizationRun]:
    """A run that failed while this chunk was computed stays failed."""
    return OptimizationRun.objects.filter(pk=run_id, finished_at=None)


def _lock(run_id: uuid.UUID, first_pk: int) -> RunChunk | None:
    """Return the chunk, locked, if it waits to be done and its run is not finished."""
    return (
        RunChunk.objects.filter(run_id=run_id, first_pk=first_pk, finished_at=None, run__finished_at=None)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("run__fit", "run__channel")
        .first()
    )
