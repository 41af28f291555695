"""Versions of the demand model: what each learned, how it was judged, and which one counts."""

from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.idempotency import answer_once
from catalog.api.pagination import ByPrimaryKey
from catalog.api.problems import Problem
from catalog.api.views import CHANNEL
from catalog.models.access import Scope
from optimizer.api.model_serializers import ModelSerializer
from optimizer.api.of_channel import of_asked_channel
from optimizer.api.views import IDEMPOTENCY_KEY
from optimizer.models import ElasticityFit
from optimizer.selectors.live_models import model_versions
from optimizer.services.promote_fit import NotPromoted, promote_fit
from optimizer.tasks import evaluate_model

TAGS = ["demand models"]


def required_model(model_id: int) -> ElasticityFit:
    fit = model_versions().filter(pk=model_id).first()
    if fit is None:
        raise NotFound(f"No model elasticity-{model_id}.")
    return fit


@extend_schema_view(get=extend_schema(operation_id="demand_models", parameters=[CHANNEL], tags=TAGS))
class ModelListView(ListAPIView[Any]):
    """Every version of a channel's demand model, the oldest first."""

    required_scope = Scope.RUNS_WRITE
    serializer_class = ModelSerializer
    pagination_class = ByPrimaryKey

    def get_queryset(self) -> Any:
        return of_asked_channel(self.request, model_versions())


class ModelView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(operation_id="demand_model", responses=ModelSerializer, tags=TAGS)
    def get(self, request: Request, model_id: int) -> Response:
        """One version: what it read, with which configuration, how it was judged, and whether it is live."""
        return Response(ModelSerializer(required_model(model_id)).data)


class EvaluateModelView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(
        operation_id="evaluate_demand_model",
        request=None,
        responses={202: OpenApiResponse(ModelSerializer, description="Poll the model until its verdict is newer.")},
        tags=TAGS,
    )
    def post(self, request: Request, model_id: int) -> Response:
        """Have a worker judge a version against the live one, by the price changes of the last four weeks."""
        fit = required_model(model_id)
        transaction.on_commit(partial(evaluate_model.delay, fit.pk), robust=True)
        return Response(ModelSerializer(fit).data, status=202)


class PromoteModelView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(
        operation_id="promote_demand_model",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=ModelSerializer,
        tags=TAGS,
    )
    def post(self, request: Request, model_id: int) -> Response:
        """Have a version go live that was judged against the live one and passed; 409 with the numbers where not."""
        return answer_once(request, partial(self._promote, request, model_id))

    def _promote(self, request: Request, model_id: int) -> Response:
        author = request.user if isinstance(request.user, User) else None
        try:
            promote_fit(fit_id=required_model(model_id).pk, author=author, now=timezone.now())
        except NotPromoted as error:
            raise Problem("conflict", 409, str(error)) from error
        return Response(ModelSerializer(required_model(model_id)).data)
