"""The doors for overrides and promotions: schedule, list, read, cancel."""

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.idempotency import answer_once
from catalog.api.override_serializers import OneOverrideSerializer, OverrideRequestSerializer, OverrideSerializer
from catalog.api.pagination import ByPrimaryKey
from catalog.api.problems import Problem
from catalog.api.views import CHANNEL, NUL, channel_of
from catalog.models import ApiKey, PriceOverride
from catalog.models.access import Scope
from catalog.models.price_override import OverrideStatus
from catalog.override_requests import FIELDS, OverrideRefused, read_request
from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.selectors.overrides import overrides
from catalog.services.overrides import AlreadyOver, cancel_override, schedule_override

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="A retry with the same key gets the first answer."
)
STATUS = OpenApiParameter("status", str, enum=OverrideStatus.values, description="Only those in this state.")
SKU = OpenApiParameter("sku", str, description="Only those of this SKU.")
LARGEST_ID = 2**63 - 1


class NewestFirst(ByPrimaryKey):
    ordering = "-pk"


def answer_of(override_id: int) -> dict[str, Any]:
    override = overrides().filter(pk=override_id).first() if override_id <= LARGEST_ID else None
    if override is None:
        raise NotFound(f"No override {override_id}: GET /api/v1/price-overrides lists them.")
    return OneOverrideSerializer(override).data


@extend_schema_view(
    get=extend_schema(operation_id="price_overrides", parameters=[CHANNEL, SKU, STATUS], tags=["overrides"])
)
class OverrideListView(ListAPIView[Any]):
    required_scope = Scope.OVERRIDES_WRITE
    serializer_class = OverrideSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> Any:
        found = overrides().filter(listing__channel__code=channel_of(self.request))
        sku, status = (self.request.query_params.get(name) for name in ("sku", "status"))
        if status is not None and status not in OverrideStatus.values:
            raise ValidationError({"status": [f"No such status: give one of {', '.join(OverrideStatus.values)}."]})
        if sku is not None:
            found = found.filter(listing__product__sku=sku) if NUL not in sku else found.none()
        return found.filter(status=status) if status is not None else found

    @extend_schema(
        operation_id="schedule_price_override",
        parameters=[IDEMPOTENCY_KEY],
        request=OverrideRequestSerializer,
        responses={201: OpenApiResponse(OneOverrideSerializer, description="Scheduled; without starts_at in force.")},
        tags=["overrides"],
    )
    def post(self, request: Request) -> Response:
        """Schedule a price for a time. It starts and ends by itself; at the end the price reverts.

        Of one SKU in one channel no two may overlap. What the publish gate refuses at the start (a cost that rose)
        becomes `refused` with its reason, and the price in force stays.
        """
        return answer_once(request, partial(self._schedule, request))

    def _schedule(self, request: Request) -> Response:
        body = OverrideRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        texts = {name: str(body.validated_data.get(name) or "") for name in FIELDS}
        try:
            channel = channel_by_code(body.validated_data.get("channel", settings.DEFAULT_CHANNEL))
            override = schedule_override(
                channel=channel,
                request=read_request(texts, channel=channel),
                now=timezone.now(),
                author=request.user if isinstance(request.user, User) else None,
                api_key=request.auth if isinstance(request.auth, ApiKey) else None,
            )
        except UnknownChannel as error:
            raise ValidationError({"channel": [str(error)]}) from error
        except OverrideRefused as error:
            raise ValidationError({each.field: [each.message] for each in error.errors}) from error
        location = f"/api/v1/price-overrides/{override.pk}"
        return Response(answer_of(override.pk), status=201, headers={"Location": location})


class OverrideView(APIView):
    required_scope = Scope.OVERRIDES_WRITE

    @extend_schema(operation_id="price_override", responses=OneOverrideSerializer, tags=["overrides"])
    def get(self, request: Request, override_id: int) -> Response:
        """One override: its state, what it replaced and, once it is over, what the price went back to."""
        return Response(answer_of(override_id))

    @extend_schema(
        operation_id="cancel_price_override",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=OneOverrideSerializer,
        tags=["overrides"],
    )
    def delete(self, request: Request, override_id: int) -> Response:
        """Cancel it: one to come never starts, one in force ends now and its price reverts. Again: the same answer."""
        return answer_once(request, partial(self._cancel, request, override_id))

    def _cancel(self, request: Request, override_id: int) -> Response:
        answer_of(override_id)  # or 404
        try:
            cancel_override(override_id=override_id, now=timezone.now(), who=_name_of(request))
        except PriceOverride.DoesNotExist as error:
            raise NotFound(f"No override {override_id}.") from error
        except AlreadyOver as error:
            raise Problem("conflict", 409, str(error)) from error
        return Response(answer_of(override_id))


def _name_of(request: Request) -> str:
    return f"the API key {request.auth.name}" if isinstance(request.auth, ApiKey) else request.user.get_username()
