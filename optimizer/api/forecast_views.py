"""What is forecast of a SKU's demand: read as it was stored, moved to another price where one is asked for."""

import hashlib
from decimal import Decimal, InvalidOperation

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.views import CHANNEL, IF_NONE_MATCH, has_version, required_listing
from catalog.models import Listing
from catalog.models.access import Scope
from optimizer.api.forecast_serializers import ForecastSerializer
from optimizer.models import DemandForecast, ForecastStep
from optimizer.selectors.forecasts import forecast_steps, stored_forecast

MOST_PRICE = 10_000_000_000
STEP = OpenApiParameter("step", str, enum=ForecastStep.values, description="How long a step is; defaults to day.")
PRICE = OpenApiParameter(
    "price", str, description="Forecast demand at this price in all steps, by the SKU's elasticity."
)


def step_of(request: Request) -> str:
    step = request.query_params.get("step", ForecastStep.DAY)
    if step not in ForecastStep.values:
        raise ValidationError({"step": [f"Give one of {', '.join(ForecastStep.values)}."]})
    return step


def price_of(request: Request) -> Decimal | None:
    text = request.query_params.get("price")
    if text is None:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not (price.is_finite() and 0 < price < MOST_PRICE and price.as_tuple().exponent >= -4):  # type: ignore[operator]  # finite: a number
        raise ValidationError({"price": [f"Give a price above 0 and below {MOST_PRICE}, such as 9.50."]})
    return price


class ForecastView(APIView):
    required_scope = Scope.PRICES_READ

    @extend_schema(
        operation_id="forecast",
        parameters=[CHANNEL, STEP, PRICE, IF_NONE_MATCH],
        responses={200: ForecastSerializer, 304: OpenApiResponse(description="The forecast did not change.")},
        tags=["demand models"],
    )
    def get(self, request: Request, sku: str) -> Response:
        """The newest forecast of one SKU's units, with its uncertainty. If-None-Match answers 304."""
        step, price = step_of(request), price_of(request)
        listing = required_listing(request, sku)
        forecast = stored_forecast(listing=listing, step=step)
        if forecast is None:
            code = listing.channel.code
            raise NotFound(
                f"No forecast by {step} of SKU {sku!r} in channel {code!r}: run `manage.py train_forecaster "
                f"--channel {code} --step {step}`, or POST training-jobs with kind forecast; where a forecaster is "
                "live, `manage.py forecast_demand`."
            )
        headers = {"ETag": _etag(forecast, price), "Cache-Control": "private, no-cache"}
        if has_version(request, headers["ETag"]):
            return Response(status=304, headers=headers)
        return Response(ForecastSerializer(_answer(listing, forecast, price)).data, headers=headers)


def _etag(forecast: DemandForecast, price: Decimal | None) -> str:
    of = f"{forecast.pk}|{forecast.forecaster_id}|{forecast.made_at.isoformat()}|{price}"
    return f'"{hashlib.sha256(of.encode()).hexdigest()[:20]}"'


def _answer(listing: Listing, forecast: DemandForecast, price: Decimal | None) -> dict[str, object]:
    return {
        "sku": listing.product.sku,
        "channel": listing.channel.code,
        "currency": listing.channel.currency,
        "step": forecast.step,
        "model": str(forecast.forecaster),
        "made_at": forecast.made_at,
        "method": forecast.method,
        "cold_start": forecast.cold_start,
        "elasticity": forecast.elasticity,
        "levels": forecast.forecaster.levels,
        "steps": forecast_steps(forecast, price=None if price is None else float(price)),
    }
