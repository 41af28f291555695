"""Elasticity fits and what they say of each listing."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.html import format_html
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import admin_url, listing_name, product_cell
from catalog.admin.formatting import moment, money, number, percent
from optimizer.admin.model_versions import STATUS_COLOURS, model_panel, promote, version_status
from optimizer.admin.prices import elasticity_text
from optimizer.models import ElasticityEstimate, ElasticityFit
from optimizer.selectors.live_models import model_versions


def pretty_json(value: Any) -> str:
    return format_html(
        '<pre class="text-xs" style="font-family:monospace;white-space:pre-wrap">{}</pre>',
        json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True),
    )


@admin.register(ElasticityFit)
class ElasticityFitAdmin(ReadOnlyAdmin):
    change_form_outer_before_template = "optimizer/admin/model_panel.html"
    list_display = (
        "name_column",
        "status_column",
        "channel",
        "method",
        "created_column",
        "weeks_column",
        "took_column",
        "device",
        "estimates_column",
    )
    list_filter = ("channel", "method")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "channel",
                    "method",
                    "created_by",
                    "created_column",
                    "weeks_column",
                    "took_column",
                    "device",
                    "estimates_column",
                )
            },
        ),
        ("How well it did", {"fields": ("diagnostics_text",)}),
        ("Configuration", {"fields": ("config_text", "fingerprint")}),
    )
    readonly_fields = (
        "created_column",
        "weeks_column",
        "took_column",
        "estimates_column",
        "diagnostics_text",
        "config_text",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return model_versions()

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(promote)
        return [path("<int:fit_id>/promote/", page, name="optimizer_elasticityfit_promote"), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (fit := kwargs.get("obj")) is not None:
            context["panel"] = model_panel(request, fit)
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Status", label=STATUS_COLOURS)
    def status_column(self, fit: Any) -> str:
        return version_status(fit, fit.live_pk)

    @display(description="Model")
    def name_column(self, fit: ElasticityFit) -> str:
        return str(fit)

    @display(description="Fitted")
    def created_column(self, fit: ElasticityFit) -> str:
        return moment(fit.created_at)

    @display(description="Sales read")
    def weeks_column(self, fit: ElasticityFit) -> str:
        return f"{fit.data_from:%-d %b %Y} to week of {fit.data_to:%-d %b %Y}"

    @display(description="Took")
    def took_column(self, fit: ElasticityFit) -> str:
        return f"{fit.seconds:,.1f} s"

    @display(description="Estimates")
    def estimates_column(self, fit: ElasticityFit) -> str:
        url = f"{admin_url('optimizer_elasticityestimate_changelist')}?fit__exact={fit.pk}"
        return format_html('<a class="text-link" href="{}">show its estimates</a>', url)

    @admin.display(description="Diagnostics")
    def diagnostics_text(self, fit: ElasticityFit) -> str:
        return pretty_json(fit.diagnostics)

    @admin.display(description="Configuration")
    def config_text(self, fit: ElasticityFit) -> str:
        return pretty_json(fit.config)


@admin.register(ElasticityEstimate)
class ElasticityEstimateAdmin(ReadOnlyAdmin, SearchBySku):
    list_display = (
        "product_column",
        "fit",
        "elasticity_figure",
        "informed",
        "learned_figure",
        "demand_figure",
        "weeks_figure",
        "r2_figure",
        "note",
    )
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel", "fit")
    list_filter = ("informed",)

    def name_of(self, row: ElasticityEstimate) -> str:
        return f"{listing_name(row.listing)}, {row.fit}"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("listing__product", "listing__channel", "fit")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "fit__exact" or super().lookup_allowed(lookup, value, request)

    @display(description="Product", header=True)
    def product_column(self, row: ElasticityEstimate) -> list[str]:
        return product_cell(row.listing)

    @display(description="Elasticity")
    def elasticity_figure(self, row: ElasticityEstimate) -> str:
        return elasticity_text(row)

    @display(description="Learned")
    def learned_figure(self, row: ElasticityEstimate) -> str:
        return percent(row.shrinkage, decimals=0)

    @display(description="Demand")
    def demand_figure(self, row: ElasticityEstimate) -> str:
        price = money(row.reference_price, row.listing.channel)
        return f"{number(row.base_demand, decimals=1)} a week at {price}"

    @display(description="Weeks")
    def weeks_figure(self, row: ElasticityEstimate) -> str:
        return str(row.weeks)

    @display(description="R²")
    def r2_figure(self, row: ElasticityEstimate) -> str:
        return number(row.r2, decimals=2)
