"""What waits for a person's decision, for the first page. Every count is bounded."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest

from catalog.admin.cells import admin_url
from catalog.admin.formatting import number
from catalog.models import KillSwitch, Listing, PriceApproval
from catalog.selectors.attention import BELOW_COST, COST_UNKNOWN
from optimizer.admin.canaries import others_wait
from optimizer.models import OptimizationRun

COUNTED_TO = 1_000


@dataclass(frozen=True)
class Decision:
    """Something to look at: what, how many, why it matters, and the page where it is decided."""

    title: str
    count: str
    note: str
    url: str


def waiting_decisions(request: HttpRequest) -> list[Decision]:
    """Return what this person may see and should look at, the most urgent first; nothing where all is well."""
    decisions = [*_switches(), *_approvals(), *_prices(), *_runs()]
    return [decision for decision in decisions if decision.url]


def _switches() -> Iterator[Decision]:
    on = KillSwitch.objects.filter(lifted_at=None)
    if on.exists():
        note = "Nothing automatic is published where they apply. Lift them once the reason is gone."
        yield Decision("Kill switches on", bounded_count(on), note, admin_url("catalog_killswitch_changelist"))


def _approvals() -> Iterator[Decision]:
    waiting = PriceApproval.objects.filter(status=PriceApproval.Status.WAITING)
    if waiting.exists():
        page = admin_url("catalog_priceapproval_changelist")
        note = "They are published once a second person approves."
        yield Decision("Prices to approve", bounded_count(waiting), note, f"{page}?status__exact=waiting")


def _prices() -> Iterator[Decision]:
    page = admin_url("catalog_listing_changelist")
    below_cost, cost_unknown = Listing.objects.filter(BELOW_COST), Listing.objects.filter(COST_UNKNOWN)
    if below_cost.exists():
        note = "Their cost rose after the price was published. Raise the price, or start a run."
        yield Decision("Sold below cost", bounded_count(below_cost), note, f"{page}?attention=below_cost")
    if cost_unknown.exists():
        note = "They are not priced automatically until somebody enters a cost."
        yield Decision("Without a cost", bounded_count(cost_unknown), note, f"{page}?attention=cost_unknown")


def _runs() -> Iterator[Decision]:
    """Yield the newest run of each channel where it was held back or failed, or some of its prices wait."""
    newest = OptimizationRun.objects.filter(publishes=True).order_by("channel_id", "-created_at").distinct("channel_id")
    for run in newest.select_related("channel"):
        if others_wait(run):
            url = admin_url("optimizer_optimizationrun_change", run.pk)
            note = "Some of its prices are in force. Look at their sales, then publish the rest or roll back."
            yield Decision("A run's other prices wait", run.channel.code, note, url)
        if run.status in {OptimizationRun.Status.HELD, OptimizationRun.Status.FAILED}:
            url = admin_url("optimizer_optimizationrun_change", run.pk)
            yield Decision(f"Newest run {run.status}", run.channel.code, run.error[:200], url)


def bounded_count(rows: QuerySet) -> str:
    """Count rows up to a thousand; more than that are "1,000+"."""
    found = rows[: COUNTED_TO + 1].count()
    return f"{number(COUNTED_TO)}+" if found > COUNTED_TO else number(found)
