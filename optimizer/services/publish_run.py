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

KILLED: Final = "a kill switch was flipped meanwhile: what was not yet in force was not published"


def begin_publishing(run: OptimizationRun, *, now: datetime) -> None:
    """Have every part of a run wait to be published; the caller holds the run's lock and saves it."""
    run.status, run.error = OptimizationRun.Status.PUBLISHING, ""
    run.related_published_at = None if _to_publish(run).filter(related(run)).exists() else now
    run.chunks.update(published_at=None)


def parts_left(run: OptimizationRun) -> list[Part]:
    """Return the parts of a run that wait to be published."""
    if not run.is_publishing:
        return []
    chunks = run.chunks.filter(published_at=None).order_by("first_pk").values_list("first_pk", flat=True)
    return [*([None] if run.related_published_at is None else []), *chunks]


def publish_part(*, run_id: uuid.UUID, part: Part, now: datetime) -> None:
    """Hand one part to the gate, once; where it is done, or another process is at it, do nothing.

    A kill switch that was flipped meanwhile undoes the part and holds the run. What else goes wrong is written down
    with the run and raised.
    """
    try:
        with collection_paused(), transaction.atomic():
            _publish_related(run_id, now) if part is None else _publish_chunk(run_id, part, now)
    except IntegrityError as error:
        if not is_kill_switch(error):
            raise
        hold_run(run_id=run_id, error=KILLED, now=now)
    except Exception as error:
        OptimizationRun.objects.filter(pk=run_id).update(error=f"{_named(part)}: {error}")
        raise


@transaction.atomic
def finish_publishing(*, run_id: uuid.UUID, now: datetime) -> OptimizationRun:
    """Finish a run of which every part is published; else return it as it is."""
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)
    if not run.is_publishing or parts_left(run):
        return run
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
    if not run.is_publishing or run.related_published_at is not None:
        return
    _publish(run, _to_publish(run).filter(related(run)), now)
    run.related_published_at = now
    run.save(update_fields=["related_published_at"])


def _publish_chunk(run_id: uuid.UUID, first_pk: int, now: datetime) -> None:
    waiting = RunChunk.objects.filter(run_id=run_id, first_pk=first_pk, published_at=None)
    chunk = waiting.select_for_update(skip_locked=True).first()
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


def _named(part: Part) -> str:
    return "families and ladders" if part is None else f"prices from listing {part}"


def _locked(run_id: uuid.UUID) -> OptimizationRun:
    return OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)


def _to_publish(run: OptimizationRun) -> QuerySet[Recommendation]:
    return priced(run).filter(outcome=Recommendation.Outcome.WAITING, outcome_reason="")


def _publish(run: OptimizationRun, rows: QuerySet[Recommendation], now: datetime) -> None:
    author = run.requested_by if run.released_at is None else run.released_by
    reason = f"{run.get_objective_display()} run"
    report = publish_recommendations(run=run, rows=rows, author=author, reason=reason, now=now)
    record_outcomes(run=run, report=report)
