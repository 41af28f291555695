"""The price of a past moment."""

from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.views import CHANNEL, required_listing
from catalog.models.access import Scope
from catalog.models.listing import PriceSource
from catalog.money import amount_text
from catalog.selectors.price_as_of import MomentRefused, PriceAsOf, price_as_of

AT = OpenApiParameter(
    "at", OpenApiTypes.DATETIME, required=True, description="A past moment with its time zone: 2026-11-26T12:00:00Z."
)


class PriceAsOfSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField(source="listing.product.sku")
    channel = serializers.CharField(source="listing.channel.code")
    price = serializers.SerializerMethodField()
    currency = serializers.CharField(source="listing.channel.currency")
    version = serializers.IntegerField(help_text="0: the list price, before anything was published.")
    source = serializers.ChoiceField(choices=PriceSource.choices)  # type: ignore[assignment]  # a field, not its option
    valid_from = serializers.DateTimeField(allow_null=True)
    decision_id = serializers.CharField(allow_null=True)
    prior_price = serializers.SerializerMethodField(help_text="As it was at that moment.")
    reduction_may_be_announced = serializers.BooleanField(source="law.reduction_may_be_announced", allow_null=True)
    reduction_percent = serializers.IntegerField(source="law.announced_percent", allow_null=True)

    def get_price(self, found: PriceAsOf) -> str:
        return amount_text(found.price, found.listing.channel.currency_exponent)

    def get_prior_price(self, found: PriceAsOf) -> str:
        return amount_text(found.law.prior_price, found.listing.channel.currency_exponent)


class PriceAsOfView(APIView):
    required_scope = Scope.PRICES_READ

    @extend_schema(operation_id="price_as_of", parameters=[CHANNEL, AT], responses=PriceAsOfSerializer, tags=["prices"])
    def get(self, request: Request, sku: str) -> Response:
        """The price of one SKU that applied at a past moment, and what the law said of it."""
        listing = required_listing(request, sku)
        text = request.query_params.get("at", "")
        try:
            # A plus sign in a URL that was not escaped arrives as a space.
            at = parse_datetime(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
            if at is None:
                raise ValueError
        except ValueError as error:
            raise ValidationError(
                {"at": ["Give a moment with its time zone, such as 2026-11-26T12:00:00Z."]}
            ) from error
        try:
            found = price_as_of(listings=[listing], at=at, now=timezone.now()).get(listing.pk)
        except MomentRefused as error:
            raise ValidationError({"at": [f"{text}: {error}."]}) from error
        if found is None:
            raise NotFound(f"No price of {sku!r} is known at {text}: it had none yet, or that time was purged.")
        return Response(PriceAsOfSerializer(found).data)
