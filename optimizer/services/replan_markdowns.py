"""Publish the price of each period of the markdown plans that run, from the stock there is now."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone

from catalog.gate import Proposal, PublishReport, publish_prices
from catalog.models import Channel
from catalog.models.listing import PriceSource
from catalog.selectors.kill_switches import switches_on
from catalog.services.kill_check import is_kill_switch
from catalog.services.markdown_marks import mark_markdown
from catalog.services.parking import WAITS_FOR_APPROVAL
from optimizer.models import MarkdownPlan, MarkdownStep
from optimizer.selectors.live_models import live_fit
from optimizer.selectors.markdowns import PlannedMarkdown, planned_markdowns
from optimizer.services.markdown_plans import channels_with_plans

BATCH = 100
"""Plans of one transaction: about 10 s of a core."""


def replan_markdowns(*, now: datetime) -> dict[str, int]:
    """Decide every active plan's price where a period began or the stock left its interval; count the outcomes.

    One transaction for each hundred plans holds their locks, the gate's work and the steps: killed, it is as if never
    begun, and called twice it decides once. Plans that another process is at are skipped. A plan past its last day is
    finished. What a kill switch covers waits until it is lifted.
    """
    counts: Counter[str] = Counter()
    today = timezone.localdate(now)
    for channel in channels_with_plans():
        after = 0
        while keys := _next_keys(channel, today, after):
            counts.update(_replan_unless_killed(channel, keys, today, now))
            after = keys[-1]
    return dict(counts)


def _next_keys(channel: Channel, today: date, after: int) -> list[int]:
    plans = MarkdownPlan.objects.filter(
        listing__channel=channel, status=MarkdownPlan.Status.ACTIVE, starts_on__lte=today, pk__gt=after
    )
    return list(plans.order_by("pk").values_list("pk", flat=True)[:BATCH])


def _replan_unless_killed(channel: Channel, keys: Sequence[int], today: date, now: datetime) -> Counter[str]:
    """Decide some plans; where a kill switch is flipped meanwhile, decide again those that it does not cover."""
    while True:
        try:
            return _replan(channel, keys, today, now)
        except IntegrityError as error:
            if not is_kill_switch(error):
                raise


@transaction.atomic
def _replan(channel: Channel, keys: Sequence[int], today: date, now: datetime) -> Counter[str]:
    plans = list(
        MarkdownPlan.objects.filter(pk__in=keys, status=MarkdownPlan.Status.ACTIVE)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("listing__product")
        .order_by("pk")
    )
    stopped = _stopped(channel, plans)
    plans = [plan for plan in plans if plan not in stopped]
    last_steps = {
        step.plan_id: step
        for step in MarkdownStep.objects.filter(plan__in=plans).order_by("plan", "period_start", "revision")
    }
    ended = [plan for plan in plans if plan.periods_left(today) == 0]
    due = [plan for plan in plans if plan not in ended and _is_due(plan, last_steps.get(plan.pk), today)]
    counts = +Counter(finished=len(ended), stopped=len(stopped))
    if due:
        counts.update(_decide(channel, due, last_steps, today, now))
    for plan in ended:
        _finish(channel, plan, now)
    return counts


def _stopped(channel: Channel, plans: Sequence[MarkdownPlan]) -> list[MarkdownPlan]:
    """Return the plans that a kill switch covers: they are neither decided nor finished until it is lifted."""
    switches = switches_on()
    if not switches:
        return []
    models = (PriceSource.MARKDOWN.value, str(live_fit(channel=channel)))
    return [
        plan
        for plan in plans
        if switches.covers(channel_id=channel.pk, category_id=plan.listing.product.category_id, models=models)
    ]


def _is_due(plan: MarkdownPlan, last: MarkdownStep | None, today: date) -> bool:
    """Tell whether a period began, or the stock is not where the last step thought it would be at the period's end.

    A step that was refused or could not be priced is tried again when the facts it was refused on have changed: the
    price version, the stock or the cost.
    """
    if last is None or last.period_start != plan.period_start(today):
        return True
    stock, listing = plan.listing.inventory, plan.listing
    if last.outcome in {MarkdownStep.Outcome.REFUSED, MarkdownStep.Outcome.UNPRICED}:
        known_cost = last.inputs.get("unit_cost", {}).get("value")
        return (last.price_version, last.stock, known_cost) != (listing.price_version, stock, str(listing.unit_cost))
    if stock is None or last.stock is None:
        return stock != last.stock
    return stock > last.stock or stock < last.forecast["stock_low"][1]


def _decide(
    channel: Channel, due: list[MarkdownPlan], last_steps: dict[int, MarkdownStep], today: date, now: datetime
) -> Counter[str]:
    planned = planned_markdowns(channel=channel, plans=due, now=now)
    steps = {plan.listing_id: _step(planned[plan.listing_id], last_steps.get(plan.pk), today, now) for plan in due}
    proposals = [_proposal(each, steps[pk]) for pk, each in planned.items() if each.price is not None]
    report = publish_prices(
        channel=channel, proposals=proposals, source=PriceSource.MARKDOWN, now=now, reason="Markdown plan"
    )
    for pk, step in steps.items():
        step.outcome, step.outcome_reason = _outcome(pk, planned[pk], report)
    MarkdownStep.objects.bulk_create(steps.values())
    return Counter(str(step.outcome) for step in steps.values())


def _step(planned: PlannedMarkdown, last: MarkdownStep | None, today: date, now: datetime) -> MarkdownStep:
    start = planned.plan.period_start(today)
    return MarkdownStep(
        plan=planned.plan,
        period_start=start,
        revision=last.revision + 1 if last is not None and last.period_start == start else 0,
        decided_at=now,
        periods_left=planned.plan.periods_left(today),
        stock=planned.listing.inventory,
        previous_price=planned.listing.price_in_force,
        price_version=planned.listing.price_version,
        price=planned.price,
        inputs=planned.inputs or {"unit_cost": {"value": str(planned.listing.unit_cost)}},
        forecast=planned.forecast or {},
        value=planned.value,
        value_keeping_price=planned.value_keeping_price,
        meets_target=planned.meets_target,
    )


def _proposal(planned: PlannedMarkdown, step: MarkdownStep) -> Proposal:
    assert planned.price is not None
    again = f":{step.revision}" if step.revision else ""
    return Proposal(
        listing_id=planned.listing.pk,
        price=planned.price,
        idempotency_key=f"markdown:{planned.plan.pk}:{step.period_start}{again}",
        expected_version=planned.listing.price_version,
        binding_rule=planned.binding_rule,
        explanation={
            "objective": "markdown",
            "model": (planned.inputs or {})["elasticity"]["model"],
            "markdown_plan": str(planned.plan.pk),
            "inputs": planned.inputs,
            "replay": planned.replay,
            "expected": {"value": planned.value, "meets_target": planned.meets_target},
        },
    )


def _outcome(listing_id: int, planned: PlannedMarkdown, report: PublishReport) -> tuple[MarkdownStep.Outcome, str]:
    if planned.price is None:
        return MarkdownStep.Outcome.UNPRICED, planned.reason
    if listing_id in report.refused:
        return MarkdownStep.Outcome.REFUSED, report.refused[listing_id]
    if listing_id in report.waiting:
        return MarkdownStep.Outcome.REFUSED, WAITS_FOR_APPROVAL
    unchanged = listing_id in report.unchanged
    return (MarkdownStep.Outcome.UNCHANGED if unchanged else MarkdownStep.Outcome.PUBLISHED), ""


def _finish(channel: Channel, plan: MarkdownPlan, now: datetime) -> None:
    """End a plan; where it asks for it the list price goes through the gate, and what the gate says is recorded."""
    if plan.returns_to_list_price:
        _record_return(channel, plan, plan.listing.list_price, now)
    plan.status, plan.finished_at = MarkdownPlan.Status.FINISHED, now
    plan.save(update_fields=["status", "finished_at"])
    mark_markdown(listing_id=plan.listing_id, until=None)


def _record_return(channel: Channel, plan: MarkdownPlan, price: Decimal, now: datetime) -> None:
    listing = plan.listing
    report = publish_prices(
        channel=channel,
        proposals=[Proposal(listing.pk, price, f"markdown:{plan.pk}:end", expected_version=listing.price_version)],
        source=PriceSource.MARKDOWN,
        now=now,
        reason="Markdown plan ended: back to the list price",
    )
    outcome, reason = _outcome(listing.pk, PlannedMarkdown(plan, listing, price=price), report)
    MarkdownStep.objects.create(
        plan=plan,
        period_start=timezone.localdate(now),
        revision=0,
        decided_at=now,
        periods_left=0,
        stock=listing.inventory,
        previous_price=listing.price_in_force,
        price_version=listing.price_version,
        price=price,
        outcome=outcome,
        outcome_reason=reason,
    )
