"""Publish what a run decided, part by part: whoever comes takes a part that nobody is at.

A part is a chunk's listings, or all members of families and ladders, whose prices the gate judges as a set. Each part
is a transaction of its own: its ledger rows, listings and outcomes change together or not at all, and nobody who
overrides a price waits for the whole run. A part that was killed is as if never begun.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from catalog.services.kill_check import is_kill_switch
from optimizer.models import OptimizationRun, Recommendation, RunChunk
from optimizer.selectors.guard_numbers import guard_numbers
from optimizer.services.end_run import hold_run
from optimizer.services.garbage import collection_paused
from optimizer.services.hand_to_gate import WAITS_FOR_RELEASE, priced, publish_recommendations, record_outcomes, related

Part = int | None
"""The first listing of a chunk; None: the members of families and ladders."""

MAX_ATTEMPTS: Final = 3
KILLED: Final = "a kill switch was flipped meanwhile: what was not yet in force was not published"


def begin_publishing(run: OptimizationRun, *, now: datetime) -> None:
    """Have every part of a run wait to be published; the caller holds the run's lock and saves it."""
    run.status, run.error, run.publishing_since = OptimizationRun.Status.PUBLISHING, "", now
    run.related_published_at = None if _to_publish(run).filter(related(run)).exists() else now
    run.related_publish_attempts = 0
    run.chunks.update(published_at=None, publish_attempts=0)


def parts_left(run: OptimizationRun) -> list[Part]:
    """Return the parts of a run that wait to be published."""
    if not run.is_publishing:
        return []
    chunks = run.chunks.filter(published_at=None).order_by("first_pk").values_list("first_pk", flat=True)
    return [*([None] if run.related_published_at is None else []), *chunks]


def publish_part(*, run_id: uuid.UUID, part: Part, now: datetime) -> None:
    """Hand one part to the gate, once; where it is done, or another process is at it, do nothing.

    A kill switch that was flipped meanwhile undoes the part and holds the run, and so does a part that was begun three
    times in vain: every beginning is counted. What else goes wrong is written down with the run and raised.
    """
    attempts = _begin(run_id, part)
    if attempts is None:
        return
    if attempts > MAX_ATTEMPTS:
        hold_run(run_id=run_id, error=f"{_named(part)} were begun {MAX_ATTEMPTS} times in vain", now=now)
        return
    try:
        with collection_paused(), transaction.atomic():
            _publish_related(run_id, now) if part is None else _publish_chunk(run_id, part, now)
    except Exception as error:
        if isinstance(error, IntegrityError) and is_kill_switch(error):
            hold_run(run_id=run_id, error=KILLED, now=now)
            return
        unfinished = OptimizationRun.objects.filter(pk=run_id, finished_at=None)
        unfinished.update(error=f"{_named(part)}: {error}")
        raise


@transaction.atomic
def _begin(run_id: uuid.UUID, part: Part) -> int | None:
    """Count one beginning of a part and return which one it is; None where it is done or another process is at it."""
    if part is None:
        run = _locked(run_id)
        if run is None or run.related_published_at is not None:
            return None
        run.related_publish_attempts += 1
        run.save(update_fields=["related_publish_attempts"])
        return run.related_publish_attempts
    chunk = _locked_chunk(run_id, part)
    if chunk is None:
        return None
    chunk.publish_attempts += 1
    chunk.save(update_fields=["publish_attempts"])
    return chunk.publish_attempts


def finish_publishing(*, run_id: uuid.UUID, now: datetime) -> OptimizationRun:
    """Finish a run of which every part is published; else return it as it is.

    Whoever joined or left a family meanwhile, and so was in no part, is published now.
    """
    run = OptimizationRun.objects.select_related("channel").get(pk=run_id)
    return run if parts_left(run) else _finish(run_id, now)


@transaction.atomic
def _finish(run_id: uuid.UUID, now: datetime) -> OptimizationRun:
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)
    if not run.is_publishing or parts_left(run):
        return run
    _publish(run, _to_publish(run), now)
    waits = priced(run).filter(outcome_reason=WAITS_FOR_RELEASE).exists()
    run.status = OptimizationRun.Status.CANARY if waits else OptimizationRun.Status.SUCCEEDED
    run.guard_numbers, run.finished_at, run.error = guard_numbers(run=run), now, ""
    run.save(update_fields=["status", "guard_numbers", "finished_at", "error"])
    return run


def publish_run(*, run_id: uuid.UUID, parts: Iterable[Part], now: datetime) -> OptimizationRun:
    """Publish these parts one after the other and finish the run if they were the last."""
    for part in parts:
        publish_part(run_id=run_id, part=part, now=now)
    return finish_publishing(run_id=run_id, now=now)


def _publish_related(run_id: uuid.UUID, now: datetime) -> None:
    run = _locked(run_id)
    if run is None or run.related_published_at is not None:
        return
    _publish(run, _to_publish(run).filter(related(run)), now)
    run.related_published_at = now
    run.save(update_fields=["related_published_at"])


def _publish_chunk(run_id: uuid.UUID, first_pk: int, now: datetime) -> None:
    chunk = _locked_chunk(run_id, first_pk)
    if chunk is None:
        return
    # Read only now: whoever holds the run locks its chunks first.
    run = OptimizationRun.objects.select_related("channel").get(pk=run_id)
    if not run.is_publishing:
        return
    rows = _to_publish(run).filter(listing__gte=chunk.first_pk, listing__lte=chunk.last_pk).exclude(related(run))
    _publish(run, rows, now)
    chunk.published_at = now
    chunk.save(update_fields=["published_at"])


def _locked(run_id: uuid.UUID) -> OptimizationRun | None:
    """Return a run that is being published, locked; None where it is not, or another process holds it."""
    publishing = OptimizationRun.objects.filter(pk=run_id, status=OptimizationRun.Status.PUBLISHING)
    return publishing.select_for_update(skip_locked=True, of=("self",)).select_related("channel").first()


def _locked_chunk(run_id: uuid.UUID, first_pk: int) -> RunChunk | None:
    waiting = RunChunk.objects.filter(run_id=run_id, first_pk=first_pk, published_at=None)
    waiting = waiting.filter(run__status=OptimizationRun.Status.PUBLISHING)
    return waiting.select_for_update(skip_locked=True, of=("self",)).first()


def _named(part: Part) -> str:
    return "families and ladders" if part is None else f"prices from listing {part}"


def _to_publish(run: OptimizationRun) -> QuerySet[Recommendation]:
    return priced(run).filter(outcome=Recommendation.Outcome.WAITING, outcome_reason="")


def _publish(run: OptimizationRun, rows: QuerySet[Recommendation], now: datetime) -> None:
    author = run.requested_by if run.released_at is None else run.released_by
    reason = f"{run.get_objective_display()} run"
    report = publish_recommendations(run=run, rows=rows, author=author, reason=reason, now=now)
    record_outcomes(run=run, report=report)
