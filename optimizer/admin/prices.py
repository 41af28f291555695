"""Products and prices, with what the optimiser knows of them. The catalog's page, extended from the floor above."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from catalog.admin.cells import admin_url, with_note
from catalog.admin.formatting import NOTHING, money, number, percent
from catalog.admin.listings import ListingAdmin
from catalog.arms import SHARES
from catalog.models import Listing
from catalog.plain_words import refusal_words
from optimizer.admin.forecast_charts import HISTORY, MEDIAN, forecast_chart
from optimizer.models import ElasticityEstimate, ForecastStep
from optimizer.selectors.explanations import Replay, explanation_of
from optimizer.selectors.forecasts import ForecastOfStep, forecast_steps, level_place, sales_before, shown_forecast
from optimizer.selectors.live_models import live_fits

admin.site.unregister(Listing)


def live_estimates(listing_ids: Sequence[int]) -> dict[int, ElasticityEstimate]:
    """Return each listing's estimate in the live fit of its channel, in one query."""
    found = ElasticityEstimate.objects.filter(listing__in=listing_ids, fit__in=live_fits().values("pk"))
    return {estimate.listing_id: estimate for estimate in found}


def elasticity_text(estimate: ElasticityEstimate) -> str:
    return f"{number(estimate.mean, decimals=2)} ± {number(estimate.sd, decimals=2)}"


def informed_text(estimate: ElasticityEstimate) -> str:
    if not estimate.informed:
        return "prior only"
    return f"learned from {estimate.weeks} week{'' if estimate.weeks == 1 else 's'}"


@admin.register(Listing)
class PricedListingAdmin(ListingAdmin):
    list_display = (*ListingAdmin.list_display[:5], "elasticity_figure", *ListingAdmin.list_display[5:])

    def complete_page(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        super().complete_page(request, rows)
        estimates = live_estimates([row.pk for row in rows])
        for row in rows:
            row.elasticity = estimates.get(row.pk)

    def panel(self, request: HttpRequest, listing: Listing) -> dict[str, Any]:
        panel = super().panel(request, listing)
        estimate = live_estimates([listing.pk]).get(listing.pk)
        if estimate:
            panel["cards"].append(("Elasticity", elasticity_text(estimate), informed_text(estimate)))
        else:
            panel["cards"].append(("Elasticity", NOTHING, "no sales to learn from"))
        _add_forecast(panel, listing)
        known = explanation_of(listing=listing, now=timezone.now())
        latest = known["latest_run"]
        return panel | {
            "arms": _arm_rows(known["arms"], known["served"], listing),
            "replay": _replay_words(known["replay"], listing),
            "latest": latest,
            "latest_url": admin_url("optimizer_recommendation_change", latest.pk) if latest else "",
            "latest_words": _latest_words(latest, listing) if latest else "",
        }

    @display(description="Elasticity")
    def elasticity_figure(self, listing: Any) -> str:
        estimate = listing.elasticity
        if estimate is None:
            return NOTHING
        spread = f"± {number(estimate.sd, decimals=2)}"
        return with_note(number(estimate.mean, decimals=2), spread if estimate.informed else f"{spread}, prior")


def _add_forecast(panel: dict[str, Any], listing: Listing) -> None:
    """Add what is forecast of the listing, by week where it is, else by day."""
    forecast = shown_forecast(listing=listing)
    if forecast is None:
        return
    ahead, middle = forecast_steps(forecast), level_place(forecast.forecaster.levels, MEDIAN)
    step = ForecastStep(forecast.step)
    panel["cards"].append(_forecast_card(ahead, middle, step))
    title = f"Units a {step.value} sold (dots), and forecast by {forecast.forecaster}: median, and 8 of 10 cases"
    sold = sales_before(forecast, steps=HISTORY[step])
    panel["charts"].append(forecast_chart(title, sold, ahead, middle))
    panel["forecast_url"] = admin_url("optimizer_demandforecast_change", forecast.pk)


def _forecast_card(ahead: Sequence[ForecastOfStep], middle: int, step: ForecastStep) -> tuple[str, str, str]:
    """Return what is expected of the first week: of days the mean of their sum, of a week its median and interval."""
    label = "Forecast, a week"
    if step is ForecastStep.WEEK:
        low, high = (number(end, decimals=1) for end in (ahead[0].low80, ahead[0].high80))
        return label, f"{number(ahead[0].quantiles[middle], decimals=1)} units", f"8 of 10 cases: {low} to {high}"
    week = [each.expected for each in ahead[:7] if each.expected is not None]
    return label, f"{number(sum(week), decimals=1)} units" if week else NOTHING, "mean of the first seven days"


def _arm_rows(arms: Sequence[Mapping[str, Any]], served: Mapping[str, Any], listing: Listing) -> list[list[str]]:
    """Return (arm, price, share of the units, whether it is what is served now) of the running experiment."""
    return [
        [
            arm["arm"],
            money(arm["price"], listing.channel),
            percent(Decimal(arm["share"]) / SHARES),
            "served now" if arm["arm"] == served["arm"] else "",
        ]
        for arm in arms
    ]


def _replay_words(replay: Replay | None, listing: Listing) -> str:
    """Say whether the recorded inputs give the price again when they are worked out anew."""
    if replay is None:
        return ""
    if replay.result is None or replay.price is None:
        return replay.note
    compared = f"{replay.result.admissible:,} admissible prices compared"
    if replay.price == listing.price:
        return f"Replayed from its recorded inputs: the same price ({compared})."
    return f"Replayed from its recorded inputs: {money(replay.price, listing.channel)} ({compared})."


def _latest_words(latest: Any, listing: Listing) -> str:
    if latest.outcome_reason:
        return f"The newest run did not change it: {refusal_words(latest.outcome_reason)}."
    if latest.price is not None and latest.price == listing.price:
        return "The newest run found this price best again."
    return f"The newest run proposed {money(latest.price, listing.channel)}; another price came into force since."
