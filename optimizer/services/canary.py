"""Publish a share of a run's prices first, and the rest when somebody says so."""

import random
import uuid
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from catalog.selectors.rollbacks import rollback_of
from optimizer.models import OptimizationRun, Recommendation
from optimizer.services.hand_to_gate import WAITS_FOR_RELEASE, priced, related
from optimizer.services.publish_run import begin_publishing


class CannotRelease(ValueError):
    """The rest of a run was not published; the message says why and names the cure."""


def hold_back(run: OptimizationRun) -> None:
    """Mark the prices that wait for the canary's, in the transaction that decides on the run.

    The canary's are drawn with the run's id as the seed; at least one price is. Families and ladders wait as a whole:
    their prices would not go together with those in force.
    """
    if run.canary_share is None or run.canary_share >= 1 or run.released_at is not None:
        return
    alone = list(priced(run).exclude(related(run)).order_by("listing").values_list("listing", flat=True))
    count = max(1, round(len(alone) * run.canary_share)) if alone else 0
    canaries = random.Random(run.pk.int).sample(alone, count)  # noqa: S311  (a draw, no secret)
    rest = priced(run).exclude(listing_id__any_of=canaries) if canaries else priced(run)
    rest.filter(outcome=Recommendation.Outcome.WAITING).update(outcome_reason=WAITS_FOR_RELEASE)


@transaction.atomic
def release_run(*, run_id: uuid.UUID, author: User | None, now: datetime) -> OptimizationRun:
    """Have the prices of a run that waited for the canary's published, part by part; done already, do nothing.

    The gate judges them anew: a listing whose price changed meanwhile is refused, by name.

    Raises:
        CannotRelease: no such run; it is no canary, or was rolled back.
    """
    run = OptimizationRun.objects.select_for_update(of=("self",)).filter(pk=run_id).first()
    if run is None:
        raise CannotRelease(f"no run {run_id}: its page or the API names it")
    if run.released_at is not None and run.status in {run.Status.PUBLISHING, run.Status.SUCCEEDED}:
        return run
    if run.status != OptimizationRun.Status.CANARY:
        raise CannotRelease(f"run {run_id} is {run.status}: only what waits for a canary can be released")
    if rollback_of(run_id=run.pk) is not None:
        raise CannotRelease(f"run {run_id} was rolled back: start a new one")
    priced(run).filter(outcome_reason=WAITS_FOR_RELEASE).update(outcome_reason="")
    run.released_at, run.released_by, run.finished_at = now, author, None
    begin_publishing(run, now=now)
    run.save()
    return run
