"""Close a run whose chunks are done: guard numbers, then the publish gate."""

import uuid
from collections.abc import Callable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from catalog.models import PriceGroup
from catalog.services.kill_check import is_kill_switch
from optimizer.models import OptimizationRun, Simulation
from optimizer.selectors.guard_numbers import broken_limit, guard_numbers
from optimizer.selectors.simulations import effect_of, recorded_states
from optimizer.services.canary import hold_back, publish_reason, waiting
from optimizer.services.garbage import collection_paused
from optimizer.services.publish_run import publish_recommendations, record_outcomes
from optimizer.services.what_if import fingerprint

KILLED = "a kill switch was flipped while the run was being published: nothing was published"


def close_run(
    *, run_id: uuid.UUID, now: datetime, progress: Callable[[int, int], None] = lambda done, total: None
) -> OptimizationRun:
    """Check the guard numbers of a run whose chunks are all done and publish its prices; else return it as it is.

    Where the run has a canary share, only so many are published and the others wait for `release_run`.

    One transaction with the gate's: ledger, listings and outcomes change together or not at all. Where a kill switch is
    flipped in the middle of it, the run is held and nothing is published.
    """
    try:
        with collection_paused():
            return _close_run(run_id, now, progress)
    except IntegrityError as error:
        if not is_kill_switch(error):
            raise
        return _hold_run(run_id, now)


@transaction.atomic
def _hold_run(run_id: uuid.UUID, now: datetime) -> OptimizationRun:
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)
    if not run.is_finished:
        run.guard_numbers = guard_numbers(run=run)
        run.status, run.error, run.finished_at = OptimizationRun.Status.HELD, KILLED, now
        run.save(update_fields=["guard_numbers", "status", "error", "finished_at"])
    return run


@transaction.atomic
def _close_run(run_id: uuid.UUID, now: datetime, progress: Callable[[int, int], None]) -> OptimizationRun:
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)
    if run.is_finished or run.chunks.filter(finished_at=None).exists() or _waits_for_prices(run):
        return run
    run.guard_numbers = guard_numbers(run=run)
    run.finished_at = now
    _seal_simulation(run)
    limit = run.portfolio.get("unmet") or broken_limit(run=run)
    if limit is not None or not run.publishes:
        run.status = OptimizationRun.Status.HELD
        run.error = limit or "dry run: nothing was published"
    else:
        waits = hold_back(run)
        report = publish_recommendations(
            run=run, rows=waiting(run), author=run.requested_by, reason=publish_reason(run), now=now, progress=progress
        )
        record_outcomes(run=run, report=report)
        run.status = OptimizationRun.Status.CANARY if waits else OptimizationRun.Status.SUCCEEDED
        run.guard_numbers = guard_numbers(run=run)
    run.save(update_fields=["guard_numbers", "finished_at", "status", "error"])
    return run


def _seal_simulation(run: OptimizationRun) -> None:
    """Store the hash of what a simulation was computed on, and its effect; nothing for other runs."""
    simulation = Simulation.objects.filter(run=run).first()
    if simulation is not None:
        simulation.fingerprint = fingerprint(recorded_states(run=run))
        simulation.effect = effect_of(run=run)
        simulation.save(update_fields=["fingerprint", "effect"])


def _waits_for_prices(run: OptimizationRun) -> bool:
    """Tell whether prices have yet to be chosen together, for relations or goals: the web process cannot do that."""
    if run.goals and run.portfolio_solved_at is None:
        return True
    here = Q(channel=run.channel) | Q(channel=None)
    return run.groups_solved_at is None and PriceGroup.objects.filter(here).exists()


def fail_run(*, run_id: uuid.UUID, error: str, now: datetime) -> None:
    """Mark a run as failed with what went wrong; the prices in force stay."""
    with transaction.atomic():
        run = OptimizationRun.objects.select_for_update().get(pk=run_id)
        if not run.is_finished:
            _fail(run, error, now)


def _fail(run: OptimizationRun, error: str, now: datetime) -> None:
    run.status, run.error, run.finished_at = OptimizationRun.Status.FAILED, error, now
    run.save(update_fields=["status", "error", "finished_at"])
