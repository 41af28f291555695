"""Close a run whose chunks are done: guard numbers, then the publish gate."""

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from catalog.gate import Proposal, PublishReport, publish_prices
from catalog.models import PriceGroup
from catalog.models.listing import PriceSource
from optimizer.models import OptimizationRun, Recommendation
from optimizer.selectors.guard_numbers import broken_limit, guard_numbers


@transaction.atomic
def close_run(*, run_id: uuid.UUID, now: datetime) -> OptimizationRun:
    """Check the guard numbers of a run whose chunks are all done and publish its prices; else return it as it is.

    One transaction with the gate's: ledger, listings and outcomes change together or not at all.
    """
    run = OptimizationRun.objects.select_for_update(of=("self",)).select_related("channel").get(pk=run_id)
    if run.is_finished or run.chunks.filter(finished_at=None).exists() or _waits_for_groups(run):
        return run
    run.guard_numbers = guard_numbers(run=run)
    run.finished_at = now
    limit = broken_limit(run=run)
    if limit is not None or not run.publishes:
        run.status = OptimizationRun.Status.HELD
        run.error = limit or "dry run: nothing was published"
    else:
        _record(run, _publish(run, now))
        run.status = OptimizationRun.Status.SUCCEEDED
        run.guard_numbers = guard_numbers(run=run)
    run.save(update_fields=["guard_numbers", "finished_at", "status", "error"])
    return run


def _waits_for_groups(run: OptimizationRun) -> bool:
    """Tell whether related products have yet to get their joint prices, which the web process cannot give them."""
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


def _publish(run: OptimizationRun, now: datetime) -> PublishReport:
    priced = Recommendation.objects.filter(run=run, price__isnull=False)
    proposals = [
        Proposal(
            listing_id=row.listing_id,
            price=row.price,
            idempotency_key=f"run:{run.pk}",
            expected_version=row.explanation["inputs"]["current_price"]["version"],
            binding_rule=row.binding_rule,
            explanation=row.explanation,
        )
        for row in priced.iterator(chunk_size=5_000)
        if row.price is not None
    ]
    return publish_prices(
        channel=run.channel,
        proposals=proposals,
        source=PriceSource.OPTIMIZER,
        now=now,
        author=run.requested_by,
        run_id=run.pk,
        reason=f"{run.get_objective_display()} run",
    )


def _record(run: OptimizationRun, report: PublishReport) -> None:
    outcome = Recommendation.Outcome
    rows = Recommendation.objects.filter(run=run)
    rows.filter(listing__in=[*report.published, *report.already_published]).update(outcome=outcome.PUBLISHED)
    rows.filter(listing__in=report.unchanged).update(outcome=outcome.UNCHANGED)
    for reason in sorted(set(report.refused.values())):
        refused = [listing for listing, why in report.refused.items() if why == reason]
        rows.filter(listing__in=refused).update(outcome=outcome.REFUSED, outcome_reason=reason)
