"""Decide whether the prices of a run whose chunks are done go to the gate, by its guard numbers."""

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from catalog.models import PriceGroup
from optimizer.models import OptimizationRun, Simulation
from optimizer.selectors.guard_numbers import broken_limit, guard_numbers
from optimizer.selectors.simulations import effect_of, recorded_states
from optimizer.services.canary import hold_back
from optimizer.services.publish_run import begin_publishing
from optimizer.services.what_if import fingerprint


@transaction.atomic
def decide_run(*, run_id: uuid.UUID, now: datetime) -> OptimizationRun:
    """Check the guard numbers of a run whose prices are all computed: it is published from now on, or held.

    Where the run has a canary share, the others are marked and wait for `release_run`. A run that is not computed yet,
    or was decided on before, is returned as it is.
    """
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)
    if run.is_finished or run.is_publishing or run.chunks.filter(finished_at=None).exists() or _waits_for_prices(run):
        return run
    run.guard_numbers = guard_numbers(run=run)
    _seal_simulation(run)
    limit = run.portfolio.get("unmet") or broken_limit(run=run)
    if limit is not None or not run.publishes:
        run.status, run.finished_at = OptimizationRun.Status.HELD, now
        run.error = limit or "dry run: nothing was published"
    else:
        hold_back(run)
        begin_publishing(run, now=now)
    run.save()
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
