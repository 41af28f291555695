"""Forecasters, how each was judged, and what they forecast of each listing."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import admin_url, listing_name, product_cell, sentence
from catalog.admin.formatting import moment, money, number, percent
from optimizer.admin.elasticity import pretty_json
from optimizer.admin.forecast_charts import (
    HISTORY,
    MEDIAN,
    coverage_chart,
    forecast_chart,
    held_out_charts,
    loss_chart,
    losses_of,
)
from optimizer.admin.forecaster_promotion import evaluate, promote_page, promotion_doors, promotion_rows
from optimizer.forecast_words import method_words, segment_words
from optimizer.forecaster_gate import RULES
from optimizer.models import DemandForecast, DemandForecaster, ForecastStep
from optimizer.selectors.forecasts import forecast_steps, forecasters, level_place, sales_before

STATUS_COLOURS = {
    "live": "success",
    "was live": "default",
    "passed": "info",
    "refused": "warning",
    "not judged": "default",
}
FAN_TITLE = "Units sold (dots), and forecast: the median, and where 8 of 10 cases lie"
SERVED_WORDS = (
    "served means: for each kind of products the method that did best for it before, with calibrated intervals"
)


@admin.register(DemandForecaster)
class DemandForecasterAdmin(ReadOnlyAdmin):
    change_form_outer_before_template = "optimizer/admin/forecast_panel.html"
    list_display = (
        "name_column",
        "status_column",
        "channel",
        "step",
        "network_column",
        "words_column",
        "trained_column",
    )
    list_filter = ("channel", "step", "status")
    fieldsets = (
        (None, {"fields": ("channel", "step", "trained_column", "sales_column", "took_column", "device", "seed")}),
        ("Configuration", {"fields": ("config_text",)}),
    )
    readonly_fields = ("trained_column", "sales_column", "took_column", "config_text")

    def get_queryset(self, request: HttpRequest) -> Any:
        return forecasters()

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path(
                "<int:forecaster_id>/promote/",
                view(partial(promote_page, self)),
                name="optimizer_demandforecaster_promote",
            ),
            path("<int:forecaster_id>/evaluate/", view(evaluate), name="optimizer_demandforecaster_evaluate"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (forecaster := kwargs.get("obj")) is not None:
            context["panel"] = _forecaster_panel(forecaster) | promotion_doors(request, forecaster)
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Forecaster")
    def name_column(self, forecaster: DemandForecaster) -> str:
        return str(forecaster)

    @display(description="Status", label=STATUS_COLOURS)
    def status_column(self, forecaster: DemandForecaster) -> str:
        return _status(forecaster)

    @display(description="Network")
    def network_column(self, forecaster: DemandForecaster) -> str:
        return method_words(forecaster.config["network"])

    @display(description="How it was judged")
    def words_column(self, forecaster: DemandForecaster) -> str:
        return sentence(forecaster.verdict.get("words", "not yet"))

    @display(description="Learned")
    def trained_column(self, forecaster: DemandForecaster) -> str:
        return moment(forecaster.trained_at)

    @display(description="Sales read")
    def sales_column(self, forecaster: DemandForecaster) -> str:
        read = f"{forecaster.data_from:%-d %b %Y} to {forecaster.data_to:%-d %b %Y}"
        return f"{read}; judged by those from {forecaster.held_out_from:%-d %b %Y}"

    @display(description="Took")
    def took_column(self, forecaster: DemandForecaster) -> str:
        return f"{forecaster.seconds:,.1f} s"

    @admin.display(description="Configuration")
    def config_text(self, forecaster: DemandForecaster) -> str:
        return pretty_json(forecaster.config)


def _status(forecaster: DemandForecaster) -> str:
    """Return in a word or two whether it counts, and of a candidate what the gate said."""
    if forecaster.status != DemandForecaster.Status.CANDIDATE:
        return forecaster.get_status_display()
    if not forecaster.verdict:
        return "not judged"
    return "passed" if forecaster.verdict["passes"] else "refused"


def _forecaster_panel(forecaster: DemandForecaster) -> dict[str, Any]:
    scores, losses = forecaster.scores, losses_of(forecaster.scores)
    serves = scores.get("serves", {})
    return {
        "status": _status(forecaster),
        "status_colour": STATUS_COLOURS[_status(forecaster)],
        "since": f"went live {moment(forecaster.promoted_at)}" if forecaster.promoted_at else "",
        "heading": "How it was judged",
        "words": forecaster.verdict.get("words", "not yet"),
        "charts": [loss_chart(losses), coverage_chart(scores["rows"]), *held_out_charts(scores)] if losses else [],
        "gate": RULES,
        "tables": [
            (
                "When it went live",
                ["When", "By", "The gate", "Reason", "In the place of"],
                promotion_rows(forecaster),
            ),
            (
                "Which method serves which products",
                ["Products", "Served by"],
                [[segment_words(segment), method_words(method)] for segment, method in serves.items()],
            ),
            (
                "On held-out steps",
                ["Products", "Method", "Weighted quantile loss", "In 80 % intervals", "Mean width", "Units sold"],
                [_score_cells(row) for row in scores.get("rows", [])],
            ),
        ],
        "note": ". ".join(filter(None, [SERVED_WORDS if losses else "", scores.get("note", "")])),
        "link": f"{admin_url('optimizer_demandforecast_changelist')}?forecaster__id__exact={forecaster.pk}",
        "link_words": "show its forecasts",
    }


def _score_cells(row: dict[str, Any]) -> list[str]:
    return [
        segment_words(row["segment"]),
        method_words(row["method"]),
        number(row["wql"], decimals=3),
        percent(row["coverage"]),
        number(row["width"], decimals=1),
        number(row["demand"]),
    ]


@admin.register(DemandForecast)
class DemandForecastAdmin(ReadOnlyAdmin, SearchBySku):
    change_form_outer_before_template = "optimizer/admin/forecast_panel.html"
    list_display = (
        "product_column",
        "step",
        "from_day",
        "next_figure",
        "between_figure",
        "method_column",
        "cold_start",
        "forecaster",
        "made_column",
    )
    list_display_links = ("product_column",)
    list_filter = ("step", "cold_start")
    fieldsets = (
        (
            None,
            {"fields": ("listing", "step", "forecaster", "made_column", "method_column", "cold_start", "elasticity")},
        ),
    )
    readonly_fields = ("made_column", "method_column")

    def name_of(self, row: DemandForecast) -> str:
        return f"{listing_name(row.listing)}, by {row.step}"

    def get_queryset(self, request: HttpRequest) -> Any:
        found = super().get_queryset(request).select_related("listing__product", "listing__channel", "forecaster")
        return found.defer("forecaster__artefact")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "forecaster__id__exact" or super().lookup_allowed(lookup, value, request)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (forecast := kwargs.get("obj")) is not None:
            context["panel"] = _fan_panel(forecast)
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Product", header=True)
    def product_column(self, forecast: DemandForecast) -> list[str]:
        return product_cell(forecast.listing)

    @display(description="Next step, units")
    def next_figure(self, forecast: DemandForecast) -> str:
        return number(forecast.quantiles[0][level_place(forecast.forecaster.levels, MEDIAN)], decimals=1)

    @display(description="8 of 10 cases")
    def between_figure(self, forecast: DemandForecast) -> str:
        low, high = forecast.interval80[0]
        return f"{number(low, decimals=1)} to {number(high, decimals=1)}"

    @display(description="Served by")
    def method_column(self, forecast: DemandForecast) -> str:
        return method_words(forecast.method)

    @display(description="Made")
    def made_column(self, forecast: DemandForecast) -> str:
        return moment(forecast.made_at)


def _fan_panel(forecast: DemandForecast) -> dict[str, Any]:
    levels, ahead = forecast.forecaster.levels, forecast_steps(forecast)
    middle = level_place(levels, MEDIAN)
    history = sales_before(forecast, steps=HISTORY[ForecastStep(forecast.step)])
    start = "; it has too little history: its category speaks for it" if forecast.cold_start else ""
    return {
        "status": "new" if forecast.cold_start else forecast.get_step_display(),
        "status_colour": "warning" if forecast.cold_start else "info",
        "since": f"made {moment(forecast.made_at)}",
        "heading": "Forecast",
        "words": f"by {method_words(forecast.method)} of {forecast.forecaster}{start}",
        "charts": [forecast_chart(FAN_TITLE, history, ahead, middle)],
        "tables": [
            (
                "Units expected",
                ["From", "At a price of", "Median", "8 of 10 cases"],
                [
                    [
                        f"{step.day:%-d %b %Y}",
                        money(step.price, forecast.listing.channel),
                        number(step.quantiles[middle], decimals=1),
                        f"{number(step.low80, decimals=1)} to {number(step.high80, decimals=1)}",
                    ]
                    for step in ahead
                ],
            )
        ],
        "link": admin_url("optimizer_demandforecaster_change", forecast.forecaster_id),
        "link_words": f"how {forecast.forecaster} was judged",
    }
