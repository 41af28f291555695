"""Publish a share of a run's prices first, and the rest when somebody says so."""

import random
import uuid
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from catalog.selectors.rollbacks import rollback_of
from catalog.services.kill_check import is_kill_switch
from optimizer.models import OptimizationRun, Recommendation
from optimizer.selectors.guard_numbers import guard_numbers
from optimizer.services.garbage import collection_paused
from optimizer.services.publish_run import priced, publish_recommendations, record_outcomes, related

WAITS_FOR_RELEASE: Final = "waits_for_release"


class CannotRelease(ValueError):
    """The rest of a run was not published; the message says why and names the cure."""


def hold_back(run: OptimizationRun) -> bool:
    """Mark the prices that wait for the canary's, in the transaction that closes the run; False where none does.

    The canary's are drawn with the run's id as the seed; at least one price is. Families and ladders wait as a whole:
    their prices would not go together with those in force.
    """
    if run.canary_share is None or run.canary_share >= 1:
        return False
    alone = list(priced(run).exclude(related(run)).order_by("listing").values_list("listing", flat=True))
    count = max(1, round(len(alone) * run.canary_share)) if alone else 0
    canaries = random.Random(run.pk.int).sample(alone, count)  # noqa: S311  (a draw, no secret)
    rest = priced(run).exclude(listing_id__any_of=canaries) if canaries else priced(run)
    return bool(rest.update(outcome_reason=WAITS_FOR_RELEASE))


def waiting(run: OptimizationRun) -> QuerySet[Recommendation]:
    """Return the rows of a run that are to be published now."""
    return priced(run).exclude(outcome_reason=WAITS_FOR_RELEASE)


def publish_reason(run: OptimizationRun) -> str:
    """Return what the ledger says of a run's prices."""
    return f"{run.get_objective_display()} run"


def release_run(*, run_id: uuid.UUID, author: User | None, now: datetime) -> OptimizationRun:
    """Publish the prices of a run that waited for the canary's, all in one transaction; done already, do nothing.

    The gate judges them anew: a listing whose price changed meanwhile is refused, by name.

    Raises:
        CannotRelease: no such run; it is no canary, or was rolled back; a kill switch was flipped meanwhile.
    """
    try:
        with collection_paused(), transaction.atomic():
            return _release(run_id, author, now)
    except IntegrityError as error:
        if not is_kill_switch(error):
            raise
        raise CannotRelease("a kill switch was flipped meanwhile: nothing was published") from error


def _release(run_id: uuid.UUID, author: User | None, now: datetime) -> OptimizationRun:
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").filter(pk=run_id).first()
    if run is None:
        raise CannotRelease(f"no run {run_id}: its page or the API names it")
    if run.canary_share is not None and run.status == OptimizationRun.Status.SUCCEEDED:
        return run
    if run.status != OptimizationRun.Status.CANARY:
        raise CannotRelease(f"run {run_id} is {run.status}: only what waits for a canary can be released")
    if rollback_of(run_id=run.pk) is not None:
        raise CannotRelease(f"run {run_id} was rolled back: start a new one")
    rest = priced(run).filter(outcome_reason=WAITS_FOR_RELEASE)
    report = publish_recommendations(run=run, rows=rest, author=author, reason=publish_reason(run), now=now)
    rest.update(outcome_reason="")
    record_outcomes(run=run, report=report)
    run.status = OptimizationRun.Status.SUCCEEDED
    run.guard_numbers = guard_numbers(run=run)
    run.save(update_fields=["status", "guard_numbers"])
    return run
