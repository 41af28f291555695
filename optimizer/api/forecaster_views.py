"""Forecasters: what each learned, how it was judged, which one is live, and having another one go live."""

from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.idempotency import answer_once
from catalog.api.kill_switch_views import who_calls
from catalog.api.pagination import ByPrimaryKey
from catalog.api.problems import Problem
from catalog.api.views import CHANNEL
from catalog.models.access import Scope
from optimizer.api.forecast_serializers import ForecasterSerializer, PromoteForecasterSerializer
from optimizer.api.of_channel import of_asked_channel
from optimizer.api.views import IDEMPOTENCY_KEY
from optimizer.models import DemandForecaster
from optimizer.selectors.forecasts import forecasters
from optimizer.services.promote_forecaster import ForecasterStaysOut, MayNotOverrule, NoReason, promote_forecaster
from optimizer.tasks import evaluate_forecaster, forecast_demand

TAGS = ["demand models"]


def required_forecaster(forecaster_id: int) -> DemandForecaster:
    forecaster = forecasters().filter(pk=forecaster_id).first()
    if forecaster is None:
        raise NotFound(f"No forecaster-{forecaster_id}.")
    return forecaster


@extend_schema_view(get=extend_schema(operation_id="forecasters", parameters=[CHANNEL], tags=TAGS))
class ForecasterListView(ListAPIView[Any]):
    """Every forecaster of a channel, the oldest first."""

    required_scope = Scope.RUNS_WRITE
    serializer_class = ForecasterSerializer
    pagination_class = ByPrimaryKey

    def get_queryset(self) -> Any:
        return of_asked_channel(self.request, forecasters())


class ForecasterView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(operation_id="forecaster", responses=ForecasterSerializer, tags=TAGS)
    def get(self, request: Request, forecaster_id: int) -> Response:
        """One forecaster: what it read, how, how it was judged, and each time that it went live."""
        return Response(ForecasterSerializer(required_forecaster(forecaster_id)).data)


class EvaluateForecasterView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(
        operation_id="evaluate_forecaster",
        request=None,
        responses={202: OpenApiResponse(ForecasterSerializer, description="Poll it until its verdict is newer.")},
        tags=TAGS,
    )
    def post(self, request: Request, forecaster_id: int) -> Response:
        """Have a worker judge a candidate on its held-out steps, beside simple methods and the live forecaster."""
        forecaster = required_forecaster(forecaster_id)
        transaction.on_commit(partial(evaluate_forecaster.delay, forecaster.pk), robust=True)
        return Response(ForecasterSerializer(forecaster).data, status=202)


class PromoteForecasterView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(
        operation_id="promote_forecaster",
        parameters=[IDEMPOTENCY_KEY],
        request=PromoteForecasterSerializer,
        responses=ForecasterSerializer,
        tags=TAGS,
    )
    def post(self, request: Request, forecaster_id: int) -> Response:
        """Have a forecaster go live that passed the gate, or was live before; a worker then forecasts with it.

        409 with the numbers where the gate refused it, unless it is overruled: with `reason`, by a person who may, or a
        key that such a person owns.
        """
        return answer_once(request, partial(self._promote, request, forecaster_id))

    def _promote(self, request: Request, forecaster_id: int) -> Response:
        body = PromoteForecasterSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        forecaster, (author, _) = required_forecaster(forecaster_id), who_calls(request)
        try:
            promote_forecaster(forecaster_id=forecaster.pk, author=author, now=timezone.now(), **body.validated_data)
        except MayNotOverrule as error:
            raise PermissionDenied(str(error)) from error
        except NoReason as error:
            raise ValidationError({"reason": [str(error)]}) from error
        except ForecasterStaysOut as error:
            raise Problem("conflict", 409, str(error)) from error
        transaction.on_commit(partial(forecast_demand.delay, forecaster.channel_id, forecaster.step), robust=True)
        return Response(ForecasterSerializer(required_forecaster(forecaster_id)).data)
