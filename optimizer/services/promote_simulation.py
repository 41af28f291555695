"""Bring a simulation's prices into force: all of them, and only in the world that it was computed on."""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from catalog.gate import lock_listings
from catalog.models import Listing
from catalog.selectors.listing_rows import listing_rows
from catalog.selectors.pricing_facts import pricing_facts
from catalog.services.kill_check import is_kill_switch
from catalog.services.rollback_check import is_rolled_back
from optimizer.assumptions import Assumptions
from optimizer.models import OptimizationRun, Recommendation, Simulation
from optimizer.selectors.guard_numbers import broken_limit, guard_numbers
from optimizer.selectors.simulations import recorded_states
from optimizer.services.hand_to_gate import priced, publish_recommendations, record_outcomes
from optimizer.services.what_if import listing_states

EXAMPLES = 100
LOCKED_AT_A_TIME = 5_000
NAMED_AT_MOST = 5
KILLED = "a kill switch was flipped during the promotion, so no price was published"


class CannotPromote(ValueError):
    """The simulation cannot be promoted as it is; the message says why and names the cure."""


@dataclass(frozen=True)
class Refused:
    """A SKU that stands in the way, and why."""

    sku: str
    reason: str


class NotAllPromoted(CannotPromote):
    """SKUs stand in the way: ``count`` of them, of which ``examples`` names some. Nothing was published."""

    def __init__(self, message: str, count: int, examples: list[Refused]) -> None:
        named = ", ".join(f"{each.sku} ({each.reason})" for each in examples[:NAMED_AT_MOST])
        more = f" and {count - NAMED_AT_MOST:,} more" if count > NAMED_AT_MOST else ""
        super().__init__(f"{message}: {named}{more}" if examples else message)
        self.count, self.examples = count, examples


class WorldMoved(NotAllPromoted):
    """Prices, costs, policies or competitors are not those that the simulation was computed on."""


class GateRefused(NotAllPromoted):
    """The publish gate refused some of the prices."""


def promote_simulation(*, run_id: UUID, expected: str, author: User | None, now: datetime) -> Simulation:
    """Publish every price of a simulation through the gate, or none; once. ``expected`` is the fingerprint it had.

    One transaction locks the simulation and then its listings in primary-key order, reads their state again and
    compares it with the recorded one. A simulation that was promoted before is returned as it is.

    Raises:
        CannotPromote: it is not computed yet, failed, priced nothing, or breaks a limit of the channel's runs.
        WorldMoved: the fingerprint is another one, or the state of some listings is.
        GateRefused: the gate refused a price, or a kill switch was flipped meanwhile.
        Simulation.DoesNotExist: there is none for this run.
    """
    try:
        return _promote(run_id, expected, author, now)
    except IntegrityError as error:
        if not is_kill_switch(error):
            raise
        raise GateRefused(KILLED, 0, []) from error


@transaction.atomic
def _promote(run_id: UUID, expected: str, author: User | None, now: datetime) -> Simulation:
    simulation = Simulation.objects.select_for_update(of=("self",)).select_related("run__channel").get(run_id=run_id)
    if simulation.promoted_at is not None:
        return simulation
    run = simulation.run
    _refuse_unfinished(run)
    if expected != simulation.fingerprint:
        raise WorldMoved("this is not the state that the simulation was computed on: read it again", 0, [])
    is_rolled_back(run.pk)  # a lock that goes before those of listings
    _refuse_moved(simulation, now)
    _refuse_broken_limit(simulation)
    report = publish_recommendations(
        run=run, rows=priced(run), author=author, reason=f"simulation “{simulation.name}” promoted", now=now
    )
    if report.refused:
        raise GateRefused(
            f"the gate refused {len(report.refused):,} prices, so none was published",
            len(report.refused),
            _named(report.refused),
        )
    record_outcomes(run=run, report=report)
    _mark(simulation, author, now)
    return simulation


def _refuse_unfinished(run: OptimizationRun) -> None:
    if not run.is_finished:
        raise CannotPromote("the simulation is still being computed: wait until finished_at is set")
    if run.status == OptimizationRun.Status.FAILED:
        raise CannotPromote(f"the simulation failed, simulate again: {run.error}")
    if not Recommendation.objects.filter(run=run, price__isnull=False).exists():
        raise CannotPromote("the simulation found no price to publish: its diff says why")


def _refuse_broken_limit(simulation: Simulation) -> None:
    """Hold the promotion to the limits of a run; a share of some products is one of the whole channel."""
    whole = None
    if Assumptions.from_dict(simulation.assumptions).is_subset:
        whole = Listing.objects.filter(channel=simulation.run.channel, product__is_active=True).count()
    if limit := broken_limit(run=simulation.run, of_listings=whole):
        raise CannotPromote(f"{limit}; simulate fewer products, or change the run limits in the admin")


def _refuse_moved(simulation: Simulation, now: datetime) -> None:
    """Lock the simulation's listings, some after others in primary-key order, and compare state with recorded state."""
    states, compared = recorded_states(run=simulation.run), 0
    moved: dict[int, str] = {}
    while batch := dict(islice(states, LOCKED_AT_A_TIME)):
        current = _locked_states(simulation.run, list(batch), now)
        moved |= {pk: _difference(state, current.get(pk)) for pk, state in batch.items() if state != current.get(pk)}
        compared += len(batch)
    if moved:
        raise WorldMoved(
            f"{len(moved):,} of {compared:,} products moved since the simulation, simulate again",
            len(moved),
            _named(moved),
        )


def _locked_states(run: OptimizationRun, listing_ids: list[int], now: datetime) -> dict[int, dict[str, Any]]:
    lock_listings(listing_ids=listing_ids)
    listings = listing_rows(Listing.objects.filter(pk__any_of=listing_ids).order_by("pk"))
    facts = pricing_facts(channel=run.channel, listings=listings, now=now)
    return {listing.pk: state for listing, state in zip(facts.listings, listing_states(facts), strict=True)}


def _difference(recorded: dict[str, Any], current: dict[str, Any] | None) -> str:
    """Name what moved, such as "unit_cost"."""
    names = ("price", "price_version", "unit_cost", "guardrails", "competitor_price")
    if current is None:
        return "no longer there"
    moved = [name for name in names if recorded.get(name) != current.get(name)]
    return " ".join(name for name in moved if name != "price_version" or "price" not in moved)


def _named(reasons: dict[int, str]) -> list[Refused]:
    first = sorted(reasons)[:EXAMPLES]
    skus = dict(Listing.objects.filter(pk__in=first).values_list("pk", "product__sku"))
    return [Refused(skus.get(pk, str(pk)), reasons[pk]) for pk in first]


def _mark(simulation: Simulation, author: User | None, now: datetime) -> None:
    """Make the run one that published: the price in force is explained by it, and it can be rolled back."""
    run = simulation.run
    run.status, run.error, run.publishes = OptimizationRun.Status.SUCCEEDED, "", True
    run.guard_numbers = guard_numbers(run=run)
    run.save(update_fields=["status", "error", "publishes", "guard_numbers"])
    simulation.promoted_at, simulation.promoted_by = now, author
    simulation.save(update_fields=["promoted_at", "promoted_by"])
