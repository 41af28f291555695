"""What is forecast of a listing's demand, as it was stored; and which forecasters made it. No model is loaded here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Prefetch, QuerySet, Sum

from catalog.models import Channel, DailySales, Listing, WeeklySales
from optimizer.models import DemandForecast, DemandForecaster, ForecasterPromotion, ForecastStep
from optimizer.price_response import price_factor
from optimizer.selectors.live_models import InferenceTimes


@dataclass(frozen=True)
class ForecastOfStep:
    """Hold one step: its first day, the price it is for, units by level, their mean, and the ends of the 80 % interval.

    The mean is None in forecasts from before it was stored.
    """

    day: date
    price: float
    quantiles: list[float]
    low80: float
    high80: float
    expected: float | None = None


def forecasters() -> QuerySet[DemandForecaster, Any]:
    """All forecasters without their weights, with their promotions, the newest first."""
    found = DemandForecaster.objects.select_related("channel", "job__created_by").defer("artefact").order_by("-pk")
    return found.prefetch_related(Prefetch("promotions", ForecasterPromotion.objects.select_related("author")))


def live_forecaster(*, channel: Channel, step: str) -> DemandForecaster | None:
    """Return the forecaster that makes a channel's forecasts, with its weights."""
    return DemandForecaster.objects.filter(channel=channel, step=step, status=DemandForecaster.Status.LIVE).first()


def last_asked(*, channel: Channel) -> list[dict[str, Any]]:
    """Return how the newest forecaster of each step was asked for; none of a step that never had one."""
    newest = forecasters().filter(channel=channel).order_by("step", "-pk").distinct("step")
    return [forecaster.job.asked for forecaster in newest]


def stored_forecast(*, listing: Listing, step: str) -> DemandForecast | None:
    """Return the newest forecast of a listing."""
    found = DemandForecast.objects.filter(listing=listing, step=step).select_related("forecaster")
    return found.defer("forecaster__artefact").first()


def shown_forecast(*, listing: Listing) -> DemandForecast | None:
    """Return the forecast to show beside a price: by week where there is one, else by day."""
    found = DemandForecast.objects.filter(listing=listing).select_related("forecaster").defer("forecaster__artefact")
    return found.order_by("-step").first()


def forecast_steps(forecast: DemandForecast, *, price: float | None = None) -> list[ForecastOfStep]:
    """Return a forecast step by step, moved to ``price`` in all of them where one is given.

    Raises:
        ValueError: the price is not positive.
    """
    days, found = ForecastStep(forecast.step).days, []
    rows = zip(forecast.prices, forecast.quantiles, forecast.interval80, strict=True)
    for index, (assumed, quantiles, (low, high)) in enumerate(rows):
        factor = 1.0 if price is None else price_factor(price, assumed, forecast.elasticity)
        found.append(
            ForecastOfStep(
                day=forecast.from_day + timedelta(days=days * index),
                price=assumed if price is None else price,
                quantiles=[factor * each for each in quantiles],
                low80=factor * low,
                high80=factor * high,
                expected=factor * forecast.expected[index] if forecast.expected else None,
            )
        )
    return found


def forecaster_times() -> list[InferenceTimes]:
    """Return how long the newest forecasts of each live forecaster took to be inferred, by network and device."""
    live = DemandForecaster.objects.filter(inference_seconds__isnull=False)
    rows = live.values("config__network", "device").order_by("config__network", "device")
    counted = rows.annotate(fits=Count("pk"), total=Sum("inference_seconds"))
    return [
        InferenceTimes(f"forecaster_{row['config__network']}", row["device"], row["fits"], row["total"])
        for row in counted
    ]


def sales_before(forecast: DemandForecast, *, steps: int) -> list[tuple[date, int]]:
    """Return units sold in the steps before a forecast, with zeros where nothing was."""
    days = ForecastStep(forecast.step).days
    first = forecast.from_day - timedelta(days=days * steps)
    sold: dict[date, int] = {}
    if forecast.step == ForecastStep.DAY:
        daily = DailySales.objects.filter(listing=forecast.listing_id, day__gte=first, day__lt=forecast.from_day)
        sold = dict(daily.values_list("day", "units"))
    else:
        weekly = WeeklySales.objects.filter(listing=forecast.listing_id, week__gte=first, week__lt=forecast.from_day)
        sold = dict(weekly.values_list("week", "units"))
    return [(day, sold.get(day, 0)) for day in (first + timedelta(days=days * step) for step in range(steps))]


def level_place(levels: Sequence[float], wanted: float) -> int:
    """Return which of the levels is the wanted one, or the next to it."""
    return min(range(len(levels)), key=lambda place: abs(levels[place] - wanted))
