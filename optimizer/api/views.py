"""The optimiser's doors. Nothing is computed here: a run is a job, created, polled and read."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.idempotency import answer_once
from catalog.api.pagination import ByPrimaryKey
from catalog.api.problems import Problem
from catalog.api.views import CHANNEL, REGION, region_of, required_listing
from catalog.models.access import Scope
from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.api.serializers import (
    ExplanationSerializer,
    NotPublishedSerializer,
    OpenRunSerializer,
    RecommendationSerializer,
    RunSerializer,
)
from optimizer.models import OptimizationRun
from optimizer.selectors.explanations import explanation_of
from optimizer.selectors.runs import priced_recommendations, run_by_id, unpublished_recommendations
from optimizer.services.canary import CannotRelease, release_run
from optimizer.services.open_run import CannotOptimize, open_run
from optimizer.tasks import enqueue_chunks, enqueue_parts

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="A retry with the same key gets the first answer."
)


def required_run(run_id: UUID) -> OptimizationRun:
    run = run_by_id(run_id=run_id)
    if run is None:
        raise NotFound(f"No optimisation run {run_id}.")
    return run


class ExplanationView(APIView):
    required_scope = Scope.PRICES_READ

    @extend_schema(
        operation_id="price_explanation", parameters=[CHANNEL, REGION], responses=ExplanationSerializer, tags=["prices"]
    )
    def get(self, request: Request, sku: str) -> Response:
        """Why one SKU has its price, and the same price worked out again from the recorded inputs."""
        known = explanation_of(listing=required_listing(request, sku), region=region_of(request), now=timezone.now())
        return Response(ExplanationSerializer(known).data)


class RunListView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(
        operation_id="open_optimization_run",
        parameters=[IDEMPOTENCY_KEY],
        request=OpenRunSerializer,
        responses={202: OpenApiResponse(RunSerializer, description="Poll the Location until it is finished.")},
        tags=["optimisation runs"],
    )
    def post(self, request: Request) -> Response:
        """Open a run over all products of a channel. Workers compute it and publish its prices through the gate."""
        return answer_once(request, partial(self._open, request))

    def _open(self, request: Request) -> Response:
        body = OpenRunSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            run = open_run(
                channel=channel_by_code(body.validated_data["channel"]),
                objective=body.validated_data["objective"],
                publishes=body.validated_data["publish"],
                canary_share=body.validated_data.get("canary_share"),
                requested_by=request.user if isinstance(request.user, User) else None,
                now=timezone.now(),
            )
        except UnknownChannel as error:
            raise ValidationError({"channel": [str(error)]}) from error
        except CannotOptimize as error:
            raise Problem("conflict", 409, str(error)) from error
        # Robust: where the queue is away the run is open all the same, and the beat sends what is missing.
        transaction.on_commit(partial(enqueue_chunks, run.pk), robust=True)
        location = f"/api/v1/optimization-runs/{run.pk}"
        return Response(RunSerializer(required_run(run.pk)).data, status=202, headers={"Location": location})


class RunView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(operation_id="optimization_run", responses=RunSerializer, tags=["optimisation runs"])
    def get(self, request: Request, run_id: UUID) -> Response:
        """The state of a run, its progress and, once it is finished, its guard numbers."""
        return Response(RunSerializer(required_run(run_id)).data)


class ReleaseRunView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(
        operation_id="release_optimization_run",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={202: OpenApiResponse(RunSerializer, description="Poll the run until it is finished.")},
        tags=["optimisation runs"],
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        """Have workers publish the prices of a run that wait for its canary share; asked again, nothing changes."""
        return answer_once(request, partial(self._release, request, run_id))

    def _release(self, request: Request, run_id: UUID) -> Response:
        author = request.user if isinstance(request.user, User) else None
        try:
            run = release_run(run_id=required_run(run_id).pk, author=author, now=timezone.now())
        except CannotRelease as error:
            raise Problem("conflict", 409, str(error)) from error
        transaction.on_commit(partial(enqueue_parts, run), robust=True)
        return Response(RunSerializer(required_run(run.pk)).data, status=202)


@extend_schema_view(get=extend_schema(operation_id="optimization_run_results", tags=["optimisation runs"]))
class RunResultsView(ListAPIView[Any]):
    """The prices that a run recommends."""

    required_scope = Scope.RUNS_WRITE
    serializer_class = RecommendationSerializer
    pagination_class = ByPrimaryKey

    def get_queryset(self) -> Any:
        return priced_recommendations(run=required_run(self.kwargs["run_id"]))


@extend_schema_view(get=extend_schema(operation_id="optimization_run_errors", tags=["optimisation runs"]))
class RunErrorsView(ListAPIView[Any]):
    """The SKUs that a run did not price, or whose price the gate refused, each with its reason."""

    required_scope = Scope.RUNS_WRITE
    serializer_class = NotPublishedSerializer
    pagination_class = ByPrimaryKey

    def get_queryset(self) -> Any:
        return unpublished_recommendations(run=required_run(self.kwargs["run_id"]))
