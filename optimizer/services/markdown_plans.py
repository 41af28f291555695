"""Start and end markdown plans. Web processes load this file: it must not lead to the engine."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from catalog.models import Channel
from catalog.services.markdown_marks import mark_markdown
from optimizer.models import MarkdownPlan
from optimizer.models.markdown import MAX_PERIODS
from optimizer.selectors.markdowns import PlannedMarkdown, planned_markdowns

CURES = {
    "inactive": "the product is not active: activate it first",
    "missing_cost": "the unit cost is unknown or zero: set it first, no price may be below it",
    "missing_stock": "the stock is unknown: set it first, it is what is sold down",
    "no_demand": "there is no estimate of its demand: run `manage.py fit_elasticities` first",
}


class CannotPlan(ValueError):
    """A plan that cannot work; ``field`` names what to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def checked_plan(*, plan: MarkdownPlan, now: datetime) -> PlannedMarkdown:
    """Work out what a plan would do from now on, saving nothing.

    Raises:
        CannotPlan: its dates are past, turned round, too far apart or no whole weeks; a fact of the listing is missing.
    """
    today = timezone.localdate(now)
    if plan.ends_on < plan.starts_on:
        raise CannotPlan("ends_on", "the last day is before the first: give a later one")
    if plan.ends_on < today:
        raise CannotPlan("ends_on", "the last day is past: give a later one")
    if plan.days % plan.days_in_period:
        raise CannotPlan("ends_on", f"{plan.days} days are no whole weeks: end on another day, or plan by the day")
    if plan.days // plan.days_in_period > MAX_PERIODS:
        raise CannotPlan("ends_on", f"more than {MAX_PERIODS} periods: end earlier, or plan by the week")
    planned = planned_markdowns(channel=plan.listing.channel, plans=[plan], now=now)[plan.listing_id]
    if planned.reason:
        raise CannotPlan("listing", CURES[planned.reason])
    return planned


@transaction.atomic
def start_markdown_plan(*, plan: MarkdownPlan, now: datetime) -> MarkdownPlan:
    """Save a plan as active: from its first day on it sets the price, and other automatic prices are refused.

    The first price is published by `replan_markdowns`. A plan that is active already is left as it is.

    Raises:
        CannotPlan: as `checked_plan`; or another plan of the listing is active; or this one has ended.
    """
    if not plan._state.adding:
        plan = MarkdownPlan.objects.select_for_update(of=("self",)).select_related("listing__channel").get(pk=plan.pk)
    if plan.status == MarkdownPlan.Status.ACTIVE:
        return plan
    if plan.status != MarkdownPlan.Status.DRAFT:
        raise CannotPlan("status", f"the plan is {plan.status}: make a new one")
    checked_plan(plan=plan, now=now)
    plan.status, plan.started_at = MarkdownPlan.Status.ACTIVE, now
    plan.created_at = plan.created_at or now
    try:
        with transaction.atomic():
            plan.save()
    except IntegrityError as error:
        raise CannotPlan("listing", "another plan is active for it: cancel that one first") from error
    mark_markdown(listing_id=plan.listing_id, until=_end(plan))
    return plan


@transaction.atomic
def cancel_markdown_plan(*, plan: MarkdownPlan, now: datetime) -> MarkdownPlan:
    """Stop a draft or active plan: the price in force stays, other automatic prices may follow."""
    plan = MarkdownPlan.objects.select_for_update().get(pk=plan.pk)
    if plan.status in {MarkdownPlan.Status.DRAFT, MarkdownPlan.Status.ACTIVE}:
        if plan.status == MarkdownPlan.Status.ACTIVE:
            mark_markdown(listing_id=plan.listing_id, until=None)
        plan.status, plan.finished_at = MarkdownPlan.Status.CANCELLED, now
        plan.save(update_fields=["status", "finished_at"])
    return plan


def channels_with_plans() -> list[Channel]:
    """Return the channels in which a plan is active."""
    active = MarkdownPlan.objects.filter(status=MarkdownPlan.Status.ACTIVE)
    return list(Channel.objects.filter(pk__in=active.values("listing__channel")).order_by("pk"))


def _end(plan: MarkdownPlan) -> datetime:
    last = datetime.combine(plan.ends_on + timedelta(days=1), datetime.min.time())
    return timezone.make_aware(last)
