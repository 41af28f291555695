"""The price ledger: every published price, for ever. Nobody changes it, and the database would refuse."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import (
    SOURCE_COLOURS,
    admin_url,
    listing_name,
    price_step,
    product_cell,
    run_url,
    sentence,
)
from catalog.admin.charts import demand_charts
from catalog.admin.explanation import ExplanationTables
from catalog.admin.formatting import moment, money
from catalog.admin.reasons import change_in_words, short_rule
from catalog.models import PriceChange


@admin.register(PriceChange)
class PriceChangeAdmin(ReadOnlyAdmin, SearchBySku):
    change_form_outer_before_template = "catalog/admin/change_panel.html"
    search_help_text = "SKU, or part of the product's name"
    list_display = (
        "product_column",
        "price_figure",
        "valid_from_column",
        "source_column",
        "reason_column",
        "rule_column",
        "prior_price_figure",
        "version_figure",
    )
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel", "author", "approved_by")
    list_filter = ("source", "valid_from", "listing__channel")
    fieldsets = (
        (None, {"fields": ("version", "author", "approved_by", "personalised")}),
        ("For support", {"classes": ("collapse",), "fields": ("idempotency_key",)}),
        ("Explanation as stored", {"classes": ("collapse",), "fields": ("explanation",)}),
    )

    def name_of(self, row: PriceChange) -> str:
        return f"{listing_name(row.listing)}, version {row.version}"

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super()
            .get_queryset(request)
            .select_related("listing__product", "listing__channel", "author", "approved_by")
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        change = kwargs.get("obj")
        if change is not None:
            context["panel"] = self.panel(change)
        return super().render_change_form(request, context, *args, **kwargs)

    def panel(self, change: PriceChange) -> dict[str, Any]:
        channel = change.listing.channel
        return {
            "headline": change_in_words(change, channel),
            "cards": [
                ("Price", money(change.price, channel), f"from {moment(change.valid_from)}"),
                ("Before", money(change.previous_price, channel), ""),
                ("Prior price", money(change.prior_price, channel), "lowest of the 30 days before"),
                ("Hard floor", money(change.floor, channel), "when it was published"),
                ("Source", change.get_source_display(), short_rule(change.binding_rule)),
            ],
            "tables": ExplanationTables.of(change.explanation, channel),
            "charts": demand_charts(change.explanation, change.price, channel),
            "listing_url": admin_url("catalog_listing_change", change.listing_id),
            "run_url": run_url(change.run_id),
        }

    @display(description="Product", header=True)
    def product_column(self, change: PriceChange) -> list[str]:
        return product_cell(change.listing)

    @display(description="Price")
    def price_figure(self, change: PriceChange) -> str:
        return price_step(change.price, change.previous_price, change.listing.channel)

    @display(description="From")
    def valid_from_column(self, change: PriceChange) -> str:
        return moment(change.valid_from)

    @display(description="Source", label=SOURCE_COLOURS)
    def source_column(self, change: PriceChange) -> str:
        return change.get_source_display()

    @display(description="Why")
    def reason_column(self, change: PriceChange) -> str:
        return sentence(change_in_words(change, change.listing.channel))

    @display(description="Bound by")
    def rule_column(self, change: PriceChange) -> str:
        return short_rule(change.binding_rule)

    @display(description="Prior price")
    def prior_price_figure(self, change: PriceChange) -> str:
        return money(change.prior_price, change.listing.channel)

    @display(description="Version")
    def version_figure(self, change: PriceChange) -> str:
        return str(change.version)
