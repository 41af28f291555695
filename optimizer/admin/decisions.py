"""What waits for a person's decision, for the first page. Every count is bounded or one pass over the listings."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest

from catalog.admin.cells import admin_url
from catalog.admin.formatting import number
from catalog.models import KillSwitch, PriceApproval
from catalog.selectors.attention import listings_in_need
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
    need = listings_in_need()
    listings = admin_url("catalog_listing_changelist")
    if need.below_cost:
        note = "Their cost rose after the price was published. Raise the price, or start a run."
        yield Decision("Sold below cost", number(need.below_cost), note, f"{listings}?attention=below_cost")
    if need.cost_unknown:
        note = "They are not priced automatically until somebody enters a cost."
        yield Decision("Without a cost", number(need.cost_unknown), note, f"{listings}?attention=cost_unknown")


def _runs() -> Iterator[Decision]:
    """Yield the newest run of each channel where it was held back or failed."""
    newest = OptimizationRun.objects.filter(publishes=True).order_by("channel_id", "-created_at").distinct("channel_id")
    for run in newest.select_related("channel"):
        if run.status in {OptimizationRun.Status.HELD, OptimizationRun.Status.FAILED}:
            url = admin_url("optimizer_optimizationrun_change", run.pk)
            yield Decision(f"Newest run {run.status}", run.channel.code, run.error[:200], url)


def bounded_count(rows: QuerySet) -> str:
    """Count rows up to a thousand; more than that are "1,000+"."""
    found = rows[: COUNTED_TO + 1].count()
    return f"{number(COUNTED_TO)}+" if found > COUNTED_TO else number(found)
