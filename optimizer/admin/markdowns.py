"""Markdown plans: drafted and started here, with what they expect and what they did."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.decorators import display

from catalog.admin.base import PricingModelAdmin, SearchBySku
from catalog.admin.cells import listing_name, product_cell
from catalog.admin.formatting import NOTHING, moment, money, number, percent, whole_money
from catalog.models import Channel
from catalog.plain_words import refusal_words, rule_words
from optimizer.admin.markdown_charts import price_path_chart, stock_chart
from optimizer.models import MarkdownPlan, MarkdownStep
from optimizer.selectors.markdowns import PlannedMarkdown
from optimizer.services.markdown_plans import CannotPlan, cancel_markdown_plan, checked_plan, start_markdown_plan

STATUS_COLOURS = {"draft": "default", "active": "success", "finished": "info", "cancelled": "warning"}
STEP_HEADERS = ("Period from", "Decided", "Stock", "Price", "Meets the target", "Value", "If kept", "Outcome")
STEPS_SHOWN = 60


@admin.register(MarkdownPlan)
class MarkdownPlanAdmin(SearchBySku, PricingModelAdmin):
    change_form_outer_before_template = "optimizer/admin/markdown_panel.html"
    list_display = ("product_column", "status_column", "starts_on", "ends_on", "target_figure", "reason", "author")
    list_select_related = ("listing__product", "listing__channel", "author")
    list_filter = ("status",)
    autocomplete_fields = ("listing",)
    fieldsets = (
        ("What is sold until when", {"fields": ("listing", ("starts_on", "ends_on"), "period", "reason")}),
        ("What a unit left is worth", {"fields": ("target_stock", "penalty", "salvage_value")}),
        ("How the price may move", {"fields": ("only_down", "max_changes", "returns_to_list_price")}),
    )

    readonly_fields = ("penalty_text", "salvage_text")

    def get_fieldsets(self, request: HttpRequest, obj: MarkdownPlan | None = None) -> Any:
        """Show amounts with their currency where they are not edited."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        what, _, how = self.fieldsets
        return (what, ("What a unit left is worth", {"fields": ("target_stock", "penalty_text", "salvage_text")}), how)

    @admin.display(description="Penalty")
    def penalty_text(self, plan: MarkdownPlan) -> str:
        return f"{money(plan.penalty, plan.listing.channel)} for each unit left above the target"

    @admin.display(description="Salvage value")
    def salvage_text(self, plan: MarkdownPlan) -> str:
        return f"{money(plan.salvage_value, plan.listing.channel)} for each unit left at the end"

    def name_of(self, row: MarkdownPlan) -> str:
        return f"Markdown of {listing_name(row.listing)} until {row.ends_on:%-d %b %Y}"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("listing__product", "listing__channel")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # what was planned is kept

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_draft = obj is None or obj.status == MarkdownPlan.Status.DRAFT
        return is_draft and super().has_change_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or super().has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: MarkdownPlan, form: Any, change: bool) -> None:
        if not change:
            obj.author, obj.created_at = request.user, timezone.now()  # type: ignore[assignment]
        super().save_model(request, obj, form, change)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        plan = kwargs.get("obj")
        if plan is not None:
            context["panel"] = _panel(plan) | self._doors(request, plan)
        return super().render_change_form(request, context, *args, **kwargs)

    def _doors(self, request: HttpRequest, plan: MarkdownPlan) -> dict[str, str]:
        """Return the addresses of what this person may do with the plan now."""
        if not request.user.has_perm("optimizer.change_markdownplan"):
            return {}
        start = {"start_url": reverse("admin:optimizer_markdownplan_start", args=[plan.pk])}
        cancel = {"cancel_url": reverse("admin:optimizer_markdownplan_cancel", args=[plan.pk])}
        is_draft = plan.status == MarkdownPlan.Status.DRAFT
        return start | cancel if is_draft else cancel if plan.status == MarkdownPlan.Status.ACTIVE else {}

    def get_urls(self) -> list[Any]:
        def path_to(name: str, view: Any) -> Any:
            guarded = self.admin_site.admin_view(require_POST(view))
            return path(f"<int:plan_id>/{name}/", guarded, name=f"optimizer_markdownplan_{name}")

        return [path_to("start", self.start_plan), path_to("cancel", self.cancel_plan), *super().get_urls()]

    def start_plan(self, request: HttpRequest, plan_id: int) -> HttpResponse:
        plan = self._changeable(request, plan_id)
        try:
            start_markdown_plan(plan=plan, now=timezone.now())
            messages.success(request, "Started. Its price comes into force within the hour from its first day on.")
        except CannotPlan as error:
            messages.error(request, f"Not started: {error}.")
        return self._page_of(plan_id)

    def cancel_plan(self, request: HttpRequest, plan_id: int) -> HttpResponse:
        cancel_markdown_plan(plan=self._changeable(request, plan_id), now=timezone.now())
        messages.success(request, "Cancelled. The price in force stays.")
        return self._page_of(plan_id)

    def _changeable(self, request: HttpRequest, plan_id: int) -> MarkdownPlan:
        if not request.user.has_perm("optimizer.change_markdownplan"):
            raise PermissionDenied
        return get_object_or_404(self.get_queryset(request), pk=plan_id)

    def _page_of(self, plan_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:optimizer_markdownplan_change", args=[plan_id]))

    @display(description="Product", header=True)
    def product_column(self, plan: MarkdownPlan) -> list[str]:
        return product_cell(plan.listing)

    @display(description="Status", label=STATUS_COLOURS)
    def status_column(self, plan: MarkdownPlan) -> str:
        return plan.status

    @display(description="May be left")
    def target_figure(self, plan: MarkdownPlan) -> str:
        return number(plan.target_stock)


def _panel(plan: MarkdownPlan) -> dict[str, Any]:
    """Return what the page shows above the form; a draft is worked out now, others show their steps."""
    channel = plan.listing.channel
    steps = list(plan.steps.order_by("-pk")[:STEPS_SHOWN])[::-1]
    panel: dict[str, Any] = {
        "status": plan.status,
        "status_colour": STATUS_COLOURS[plan.status],
        "headers": STEP_HEADERS,
        "rows": [_step_row(step, channel) for step in reversed(steps)],
    }
    planned: PlannedMarkdown | MarkdownStep | None = next((each for each in reversed(steps) if each.forecast), None)
    if plan.status == MarkdownPlan.Status.DRAFT:
        try:
            planned = checked_plan(plan=plan, now=timezone.now())
        except CannotPlan as error:
            return panel | {"problem": f"It cannot be started: {error}."}
    if planned is None or not planned.forecast:
        return panel | {"waits": plan.status == MarkdownPlan.Status.ACTIVE}
    return panel | {
        "cards": _cards(planned, channel),
        "charts": [
            chart
            for chart in (price_path_chart(plan, steps, planned, channel), stock_chart(plan, steps, planned))
            if chart
        ],
    }


def _cards(planned: PlannedMarkdown | MarkdownStep, channel: Channel) -> list[tuple[str, str, str]]:
    forecast = planned.forecast or {}
    value, kept = planned.value or 0.0, planned.value_keeping_price or 0.0
    left = f"{number(forecast['stock_low'][-1])} to {number(forecast['stock_high'][-1])} in 8 of 10 cases"
    rule = rule_words(planned.binding_rule) if isinstance(planned, PlannedMarkdown) else ""
    return [
        ("Price now", money(planned.price, channel), f"bound by {rule}" if rule and "none" not in rule else ""),
        ("Meets the target", percent(planned.meets_target), "probability"),
        ("Expected to be left", number(forecast["stock"][-1]), left),
        ("Expected value", whole_money(value, channel), f"{whole_money(value - kept, channel)} more than keeping it"),
    ]


def _step_row(step: MarkdownStep, channel: Channel) -> Sequence[str]:
    reason = f": {refusal_words(step.outcome_reason)}" if step.outcome_reason else ""
    return (
        moment(step.period_start),
        moment(step.decided_at),
        number(step.stock),
        money(step.price, channel),
        percent(step.meets_target) if step.meets_target is not None else NOTHING,
        whole_money(step.value, channel),
        whole_money(step.value_keeping_price, channel),
        f"{step.get_outcome_display()}{reason}",
    )
