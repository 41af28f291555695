"""Simulations: what each would change, beside the live prices, and the button that brings it into force."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.cells import admin_url, run_url
from catalog.admin.charts import step_chart
from catalog.admin.explanation import GUARDRAIL_NAMES
from catalog.admin.formatting import NOTHING, as_decimal, moment, money, number, percent
from catalog.admin.formatting import whole_money as whole
from catalog.models import Channel
from catalog.plain_words import refusal_words, rule_words
from optimizer.admin.guard_numbers import reason_rows, recommendations_url, run_cards
from optimizer.admin.new_simulation import SimulationForm
from optimizer.models import Recommendation, Simulation
from optimizer.selectors.simulations import interval_90_percent, simulated_prices
from optimizer.services.promote_simulation import CannotPromote, promote_simulation

PERMISSION = "optimizer.add_optimizationrun"  # the one that the API asks of a person for the same call
STATE_COLOURS = {"computing": "info", "computed": "default", "promoted": "success", "failed": "danger"}
ROWS_A_PAGE = 50
NAMED_AT_MOST = 5


@admin.register(Simulation)
class SimulationAdmin(ReadOnlyAdmin):
    change_form_outer_before_template = "optimizer/admin/simulation_panel.html"
    list_display = (
        "name",
        "state_column",
        "assumptions_column",
        "changed_figure",
        "revenue_figure",
        "profit_figure",
        "created_column",
        "author",
    )
    list_select_related = ("run__channel", "author")
    fieldsets = (
        (
            "Simulation",
            {"fields": ("name", "objective_column", "author", "created_column", "promoted_column", "fingerprint")},
        ),
    )
    readonly_fields = ("objective_column", "created_column", "promoted_column")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("run__channel", "author", "promoted_by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("optimizer.add_simulation")  # trying out is not publishing

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask what is supposed and open the simulation."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = SimulationForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            simulation = form.open_simulation(request.user)  # type: ignore[arg-type]  # logged in: it is a User
            if simulation is not None:
                return HttpResponseRedirect(admin_url("optimizer_simulation_change", simulation.pk))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Simulate prices",
            "introduction": "Prices are computed as if what you suppose were so. Nothing live changes until you "
            "promote the simulation.",
            "button": "Simulate",
            "form": form,
        }
        return TemplateResponse(request, "optimizer/admin/ask.html", context)

    def get_urls(self) -> list[Any]:
        promote = self.admin_site.admin_view(require_POST(partial(promote_page, self)))
        return [path("<uuid:run_id>/promote/", promote, name="optimizer_simulation_promote"), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        simulation = kwargs.get("obj")
        if simulation is not None:
            context["panel"] = self.panel(request, simulation)
        return super().render_change_form(request, context, *args, **kwargs)

    def panel(self, request: HttpRequest, simulation: Simulation) -> dict[str, Any]:
        run = simulation.run
        promotable = simulation.state == "computed" and request.user.has_perm(PERMISSION)
        return {
            "simulation": simulation,
            "state": simulation.state,
            "state_colour": STATE_COLOURS[simulation.state],
            "words": assumptions_in_words(simulation),
            "error": run.error if simulation.state == "failed" else "",
            "cards": effect_cards(simulation),
            "charts": effect_charts(simulation),
            "rules": rule_rows(simulation),
            "reasons": reason_rows(run),
            "promote_url": admin_url("optimizer_simulation_promote", run.pk) if promotable else "",
            "run_url": run_url(run.pk),
            "recommendations_url": recommendations_url(run),
            **self._diff(request, simulation),
        }

    def _diff(self, request: HttpRequest, simulation: Simulation) -> dict[str, Any]:
        """Return one page of the diff, from the listing in ``after`` on: an index has them in that order."""
        after = request.GET.get("after", "0")
        rows = simulated_prices(run=simulation.run).order_by("listing_id")
        page = list(rows.filter(listing_id__gt=int(after) if after.isdecimal() else 0)[: ROWS_A_PAGE + 1])
        shown = page[:ROWS_A_PAGE]
        return {
            "diff": [diff_row(row, promoted=simulation.promoted_at is not None) for row in shown],
            "diff_after": shown[-1].listing_id if len(page) > ROWS_A_PAGE else None,
            "diff_begins": after == "0",
        }

    @display(description="State", label=STATE_COLOURS)
    def state_column(self, simulation: Simulation) -> str:
        return simulation.state

    @display(description="Supposed")
    def assumptions_column(self, simulation: Simulation) -> str:
        return "; ".join(assumptions_in_words(simulation))

    @display(description="Objective")
    def objective_column(self, simulation: Simulation) -> str:
        return simulation.run.get_objective_display()

    @display(description="Prices changed")
    def changed_figure(self, simulation: Simulation) -> str:
        return percent(simulation.run.guard_numbers.get("share_changed"))

    @display(description="Revenue")
    def revenue_figure(self, simulation: Simulation) -> str:
        return percent(simulation.run.guard_numbers.get("revenue_shift"), signed=True)

    @display(description="Profit")
    def profit_figure(self, simulation: Simulation) -> str:
        return percent(simulation.run.guard_numbers.get("profit_shift"), signed=True)

    @display(description="Made")
    def created_column(self, simulation: Simulation) -> str:
        return moment(simulation.run.created_at)

    @display(description="Promoted")
    def promoted_column(self, simulation: Simulation) -> str:
        who = f" by {simulation.promoted_by}" if simulation.promoted_by else ""
        return f"{moment(simulation.promoted_at)}{who}" if simulation.promoted_at else NOTHING


def promote_page(model_admin: Any, request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Promote the simulation in the state that the page showed, and say what stood in the way if it was not."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    try:
        simulation = promote_simulation(
            run_id=run_id,
            expected=request.POST.get("fingerprint", ""),
            author=request.user,  # type: ignore[arg-type]  # logged in: it is a User
            now=timezone.now(),
        )
    except Simulation.DoesNotExist:
        raise Http404("There is no such simulation.") from None
    except CannotPromote as error:
        messages.error(request, f"Not promoted: {error}.")
    else:
        messages.success(request, f"“{simulation.name}” is promoted: its prices are in force.")
    pk = Simulation.objects.values_list("pk", flat=True).get(run_id=run_id)
    return HttpResponseRedirect(admin_url("optimizer_simulation_change", pk))


def assumptions_in_words(simulation: Simulation) -> list[str]:
    """Say what is supposed, one sentence an assumption."""
    stored = simulation.assumptions
    words = [
        f"{GUARDRAIL_NAMES.get(f'{name}_bp', name)} {percent(value, decimals=2, signed=name.startswith('competitor'))}"
        for name, value in stored.get("guardrails", {}).items()
    ]
    for cost in stored.get("cost_changes", []):
        whose = f"of category {cost['category']}" if cost.get("category") else "of all products"
        words.append(f"Costs {whose} {percent(cost['change'], decimals=2, signed=True)}")
    words += _chosen("Only category", stored.get("categories", []))
    words += _chosen("Only SKU", stored.get("skus", []))
    return words or ["Nothing but the objective"]


def _chosen(label: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {number(len(names) - NAMED_AT_MOST)} more" if len(names) > NAMED_AT_MOST else ""
    return [f"{label} {', '.join(names[:NAMED_AT_MOST])}{more}"]


def effect_cards(simulation: Simulation) -> list[tuple[str, str, str]]:
    """Return the run's cards; that of the revenue says how sure its change is."""
    low, high = simulation.effect.get("revenue_change_90_percent") or (None, None)
    channel = simulation.run.channel
    cards = run_cards(simulation.run)
    if low is None:
        return cards
    span = f"{whole(low, channel)} to {whole(high, channel)} a week (90\N{NO-BREAK SPACE}%)"
    return [(label, value, span if label == "Expected revenue" else note) for label, value, note in cards]


def effect_charts(simulation: Simulation) -> list[Any]:
    """Draw how many prices change by how much, and what the change of each size is expected to bring."""
    steps, widest = simulation.effect.get("steps"), simulation.effect.get("widest_step")
    if not steps or not widest:
        return []
    counts, profits = [float(step[0]) for step in steps], [float(step[1]) for step in steps]
    channel = simulation.run.channel
    ends = (-float(widest), float(widest))

    def change(at: float) -> str:
        return percent(at, decimals=1, signed=True)

    return [
        step_chart("Prices by size of their change", ends, counts, change, number),
        step_chart(
            "Expected change of profit a week, by size of the price's change",
            ends,
            profits,
            change,
            lambda value: whole(value, channel),
        ),
    ]


def rule_rows(simulation: Simulation) -> list[dict[str, Any]]:
    """Return what decided the prices, the most frequent first, each with the list of its recommendations."""
    counted = simulation.effect.get("binding_rules", {})
    return [
        {
            "name": rule_words(rule),
            "count": number(count),
            "url": recommendations_url(simulation.run, binding_rule=rule),
        }
        for rule, count in sorted(counted.items(), key=lambda item: -item[1])
    ]


def diff_row(row: Recommendation, *, promoted: bool) -> dict[str, Any]:
    """Return a row of the diff; of a promoted simulation the price before it stands in the place of the live one."""
    listing, channel = row.listing, row.listing.channel
    live = row.previous_price if promoted else listing.price_in_force
    return {
        "name": listing.product.name,
        "sku": listing.product.sku,
        "url": admin_url("optimizer_recommendation_change", row.pk),
        "live": money(live, channel),
        "moved": not promoted and listing.price_version != row.simulated_version,  # type: ignore[attr-defined]  # annotated
        "simulated": money(row.price, channel),
        "change": NOTHING if row.price is None else percent(row.price / row.previous_price - 1, signed=True),
        "amounts": [
            _amount(row.profit_change_mean, row.profit_change_sd, channel),
            _amount(row.revenue_change_mean, row.revenue_change_sd, channel),
        ],
        "why": rule_words(row.binding_rule) if row.price is not None else refusal_words(row.outcome_reason),
    }


def _amount(mean: float | None, sd: float | None, channel: Channel) -> dict[str, str] | None:
    """Return the expected change and its 90 % interval as text."""
    interval = interval_90_percent(mean, sd)
    if interval is None or (mean, sd) == (0, 0):  # a price that stays changes nothing
        return None
    sign = "+" if (as_decimal(mean) or 0) > 0 else ""
    return {"mean": f"{sign}{money(mean, channel)}", "span": " to ".join(money(end, channel) for end in interval)}
