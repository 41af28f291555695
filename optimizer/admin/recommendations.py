"""Recommendations: what a run proposes for each listing, or why it proposes nothing."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import admin_url, listing_name, price_step, product_cell, run_url, sentence
from catalog.admin.charts import demand_charts
from catalog.admin.explanation import ExplanationTables
from catalog.admin.formatting import NOTHING, money, number, percent
from catalog.admin.reasons import decision_in_words, short_rule
from catalog.plain_words import RULE_WORDS, refusal_words
from optimizer.models import Recommendation

OUTCOME_COLOURS = {
    "published": "success",
    "unchanged": "default",
    "refused": "danger",
    "not priced": "warning",
    "waiting": "info",
}


class BindingRuleFilter(admin.SimpleListFilter):
    title = "binding rule"
    parameter_name = "binding_rule__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(rule, words) for rule, words in RULE_WORDS.items() if rule != "unpriced"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Recommendation]) -> QuerySet[Recommendation]:
        return queryset.filter(binding_rule=self.value()) if self.value() else queryset


def words_of(row: Recommendation) -> str:
    """Say in one sentence what a recommendation comes to."""
    channel = row.listing.channel
    if row.price is None:
        return f"Not priced: {refusal_words(row.outcome_reason)}"
    words = decision_in_words(
        row.explanation, price=row.price, previous=row.previous_price, rule=row.binding_rule, channel=channel
    )
    refused = row.outcome == Recommendation.Outcome.REFUSED
    return f"{words}. Refused: {refusal_words(row.outcome_reason)}" if refused else words


@admin.register(Recommendation)
class RecommendationAdmin(ReadOnlyAdmin, SearchBySku):
    change_form_outer_before_template = "catalog/admin/change_panel.html"
    list_display = (
        "product_column",
        "price_figure",
        "outcome_column",
        "words_column",
        "rule_column",
        "demand_figure",
        "profit_figure",
        "better_figure",
    )
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel")
    list_filter = ("outcome", BindingRuleFilter)
    fieldsets = (
        ("Recommendation", {"fields": ("run", "outcome", "outcome_reason", "binding_rule")}),
        ("Explanation as stored", {"classes": ("collapse",), "fields": ("explanation",)}),
    )

    def name_of(self, row: Recommendation) -> str:
        return listing_name(row.listing)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recommendation]:
        return super().get_queryset(request).select_related("listing__product", "listing__channel", "run")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        if lookup in {"run__exact", "outcome_reason__exact"}:  # the links on a run's page
            return True
        return super().lookup_allowed(lookup, value, request)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            context["panel"] = self.panel(row)
        return super().render_change_form(request, context, *args, **kwargs)

    def panel(self, row: Recommendation) -> dict[str, Any]:
        channel = row.listing.channel
        expected = f"{number(row.demand_before, decimals=1)} → {number(row.expected_demand, decimals=1)}"
        profit = f"{money(row.profit_before, channel)} → {money(row.expected_profit, channel)}"
        return {
            "headline": words_of(row),
            "cards": [
                ("Recommended", money(row.price, channel), row.get_outcome_display()),
                ("Price before", money(row.previous_price, channel), ""),
                ("Units a week", expected if row.price else NOTHING, "expected"),
                ("Profit a week", profit if row.price else NOTHING, "expected"),
                ("Chance of more profit", percent(row.probability_better, decimals=0), ""),
            ],
            "tables": ExplanationTables.of(row.explanation, channel),
            "charts": demand_charts(row.explanation, row.price, channel) if row.price else [],
            "listing_url": admin_url("catalog_listing_change", row.listing_id),
            "run_url": run_url(row.run_id),
        }

    @display(description="Product", header=True)
    def product_column(self, row: Recommendation) -> list[str]:
        return product_cell(row.listing)

    @display(description="Price")
    def price_figure(self, row: Recommendation) -> str:
        return price_step(row.price, row.previous_price, row.listing.channel)

    @display(description="Outcome", label=OUTCOME_COLOURS)
    def outcome_column(self, row: Recommendation) -> str:
        return row.get_outcome_display().lower()

    @display(description="Why")
    def words_column(self, row: Recommendation) -> str:
        return sentence(words_of(row))

    @display(description="Bound by")
    def rule_column(self, row: Recommendation) -> str:
        return short_rule(row.binding_rule)

    @display(description="Units a week")
    def demand_figure(self, row: Recommendation) -> str:
        if row.expected_demand is None:
            return NOTHING
        return f"{number(row.demand_before, decimals=1)} → {number(row.expected_demand, decimals=1)}"

    @display(description="Profit a week")
    def profit_figure(self, row: Recommendation) -> str:
        if row.expected_profit is None:
            return NOTHING
        channel = row.listing.channel
        return f"{money(row.profit_before, channel)} → {money(row.expected_profit, channel)}"

    @display(description="Better")
    def better_figure(self, row: Recommendation) -> str:
        return percent(row.probability_better, decimals=0)
