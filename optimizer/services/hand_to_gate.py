"""Hand prices of a run to the gate, slice by slice in one transaction, and write down what it did with them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import orjson
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from catalog.gate import Proposal, PublishReport, lock_listings, publish_prices
from catalog.models import PriceGroupMember
from catalog.models.listing import PriceSource
from catalog.reading import read_tuples
from catalog.services.parking import WAITS_FOR_APPROVAL
from catalog.services.rollback_check import is_rolled_back
from optimizer.models import OptimizationRun, Recommendation

WAITS_FOR_RELEASE: Final = "waits_for_release"

SLICE: Final = 16_384
"""Prices that the gate gets at a time: what they are explained by is in memory only so long. 0.3 GiB."""


def publish_recommendations(
    *,
    run: OptimizationRun,
    rows: QuerySet[Recommendation],
    author: User | None,
    reason: str,
    now: datetime,
) -> PublishReport:
    """Hand the prices of some of a run's rows to the gate; call it in the transaction that records the outcomes.

    All listings are locked first, in primary-key order. Members of families and ladders come in one slice: the gate
    judges the prices of a group as a set.
    """
    is_rolled_back(run.pk)  # a lock that goes before those of listings
    listing_ids = list(rows.order_by("listing").values_list("listing", flat=True))
    lock_listings(listing_ids=listing_ids)
    report = PublishReport([], [], [], {})
    for proposals in _slices(run, rows):
        part = publish_prices(
            channel=run.channel,
            proposals=proposals,
            source=PriceSource.OPTIMIZER,
            now=now,
            author=author,
            run_id=run.pk,
            reason=reason,
        )
        report = report.and_also(part)
    return report


def priced(run: OptimizationRun) -> QuerySet[Recommendation]:
    return Recommendation.objects.filter(run=run, price__isnull=False)


def related(run: OptimizationRun) -> Q:
    """Return the condition on rows whose product is in a family or ladder."""
    here = Q(group__channel=run.channel) | Q(group__channel=None)
    return Q(listing__product__in=PriceGroupMember.objects.filter(here).values("product"))


def _slices(run: OptimizationRun, rows: QuerySet[Recommendation]) -> Iterator[list[Proposal]]:
    if together := _proposals(run, rows.filter(related(run))):
        yield together
    others, after = rows.exclude(related(run)).order_by("listing"), 0
    while proposals := _proposals(run, others.filter(listing__gt=after)[:SLICE]):
        after = proposals[-1].listing_id
        yield proposals


def _proposals(run: OptimizationRun, rows: QuerySet[Recommendation]) -> list[Proposal]:
    return [
        _proposal(f"run:{run.pk}", *row)
        for row in read_tuples(rows.values_list("listing_id", "price", "binding_rule", "explanation"))
    ]


def _proposal(key: str, listing_id: int, price: Decimal, binding_rule: str, explanation: str) -> Proposal:
    decided: dict[str, Any] = orjson.loads(explanation)
    return Proposal(
        listing_id=listing_id,
        price=price,
        idempotency_key=key,
        expected_version=decided["inputs"]["current_price"]["version"],
        binding_rule=binding_rule,
        explanation=decided,
    )


def record_outcomes(*, run: OptimizationRun, report: PublishReport) -> None:
    """Write down what the gate did with each price of a run."""
    outcome = Recommendation.Outcome
    _mark(run, [*report.published, *report.already_published], outcome=outcome.PUBLISHED)
    _mark(run, report.unchanged, outcome=outcome.UNCHANGED)
    _mark(run, report.waiting, outcome_reason=WAITS_FOR_APPROVAL)
    for reason in sorted(set(report.refused.values())):
        refused = [listing for listing, why in report.refused.items() if why == reason]
        _mark(run, refused, outcome=outcome.REFUSED, outcome_reason=reason)


def _mark(run: OptimizationRun, listing_ids: Sequence[int], **values: str) -> None:
    for start in range(0, len(listing_ids), SLICE):
        part = listing_ids[start : start + SLICE]
        # The range says nothing new: with it alone Postgres knows that it need not read the whole run.
        between = Recommendation.objects.filter(run=run, listing_id__gte=min(part), listing_id__lte=max(part))
        between.filter(listing_id__any_of=part).update(**values)
