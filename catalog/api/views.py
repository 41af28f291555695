"""The storefront's doors. Each makes one gateway or selector call and translates."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import validate_slug
from django.utils import timezone
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.pagination import ByPrimaryKey, NewestVersionFirst
from catalog.api.serializers import (
    PriceBatchRequestSerializer,
    PriceBatchSerializer,
    PriceChangeSerializer,
    ProductSerializer,
    ServedPriceSerializer,
)
from catalog.arms import REGION_PATTERN
from catalog.gateway import etag_of, served_prices
from catalog.models import Listing
from catalog.models.access import Scope
from catalog.selectors.listings import active_listings, listing_of, price_history

NUL = "\x00"  # Postgres text cannot hold it, so no SKU has it
CHANNEL = OpenApiParameter("channel", str, description="Defaults to the shop's default channel.")
REGION = OpenApiParameter(
    "region", str, description="A place, for experiments that try prices by region; without it the control's price."
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="ETag of the price that the caller has."
)


def channel_of(request: Request) -> str:
    channel = request.query_params.get("channel", settings.DEFAULT_CHANNEL)
    try:
        validate_slug(channel)
    except DjangoValidationError as error:
        raise ValidationError({"channel": ["A channel code has letters, digits, - and _ only."]}) from error
    return channel


def region_of(request: Request) -> str | None:
    region = request.query_params.get("region")
    if region is not None and not re.fullmatch(REGION_PATTERN, region):
        raise ValidationError({"region": ["A region has 1 to 64 letters, digits, ., - and _: it names a place."]})
    return region


def required_listing(request: Request, sku: str) -> Listing:
    """Return the listing of the URL, or answer 404 with the way to find one."""
    channel = channel_of(request)
    listing = None if NUL in sku else listing_of(channel=channel, sku=sku)
    if listing is None:
        raise unknown_sku(sku, channel)
    return listing


def unknown_sku(sku: str, channel: str) -> NotFound:
    return NotFound(f"No SKU {sku!r} in channel {channel!r}: GET /api/v1/products lists what there is.")


def has_version(request: Request, etag: str) -> bool:
    """Tell whether the caller's If-None-Match names this version (weak comparison, RFC 9110, 13.1.2)."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or etag in {each.removeprefix("W/") for each in known}


def _with_validity(answer: dict[str, Any]) -> dict[str, Any]:
    valid_until = timezone.now().replace(microsecond=0) + timedelta(seconds=settings.PRICE_CACHE_TTL_SECONDS)
    if answer["slot_ends"] is not None:  # another arm may be drawn then
        valid_until = min(valid_until, datetime.fromtimestamp(answer["slot_ends"], UTC))
    return {**answer, "valid_until": valid_until}


class PriceView(APIView):
    required_scope = Scope.PRICES_READ

    @extend_schema(
        operation_id="price",
        parameters=[CHANNEL, REGION, IF_NONE_MATCH],
        responses={200: ServedPriceSerializer, 304: OpenApiResponse(description="The price did not change.")},
        tags=["prices"],
    )
    def get(self, request: Request, sku: str) -> Response:
        """The price in force of one SKU. The ETag is the price's version; If-None-Match answers 304."""
        channel = channel_of(request)
        region = region_of(request)
        answer = None if NUL in sku else served_prices(channel=channel, skus=[sku], region=region).get(sku)
        if answer is None:
            raise unknown_sku(sku, channel)
        etag = etag_of(answer)
        headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
        if has_version(request, etag):
            return Response(status=304, headers=headers)
        return Response(ServedPriceSerializer(_with_validity(answer)).data, headers=headers)


class PriceBatchView(APIView):
    required_scope = Scope.PRICES_READ

    @extend_schema(
        operation_id="prices_batch",
        request=PriceBatchRequestSerializer,
        responses=PriceBatchSerializer,
        tags=["prices"],
    )
    def post(self, request: Request) -> Response:
        """The prices of many SKUs, in the order asked; SKUs that do not exist are named."""
        body = PriceBatchRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        skus = list(dict.fromkeys(body.validated_data["skus"]))
        answers = served_prices(
            channel=body.validated_data.get("channel", settings.DEFAULT_CHANNEL),
            skus=skus,
            region=body.validated_data.get("region"),
        )
        answer = {
            "prices": [_with_validity(answers[sku]) for sku in skus if sku in answers],
            "unknown_skus": [sku for sku in skus if sku not in answers],
        }
        return Response(PriceBatchSerializer(answer).data)


@extend_schema_view(get=extend_schema(operation_id="price_history", parameters=[CHANNEL], tags=["prices"]))
class PriceHistoryView(ListAPIView[Any]):
    """Every price that was published for one SKU, newest first."""

    required_scope = Scope.PRICES_READ
    serializer_class = PriceChangeSerializer
    pagination_class = NewestVersionFirst

    def get_queryset(self) -> Any:
        return price_history(listing=required_listing(self.request, self.kwargs["sku"]))


@extend_schema_view(get=extend_schema(operation_id="products", parameters=[CHANNEL], tags=["products"]))
class ProductListView(ListAPIView[Any]):
    """All products of a channel with the price in force."""

    required_scope = Scope.PRICES_READ
    serializer_class = ProductSerializer
    pagination_class = ByPrimaryKey

    def get_queryset(self) -> Any:
        return active_listings(channel=channel_of(self.request))
