"""Training: asked for, done by workers, polled."""

from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.idempotency import answer_once
from catalog.api.pagination import ByPrimaryKey
from catalog.models.access import Scope
from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.api.training_serializers import OpenTrainingSerializer, TrainingJobSerializer
from optimizer.api.views import IDEMPOTENCY_KEY
from optimizer.models import TrainingJob
from optimizer.services.open_training import (
    CannotTrain,
    open_causal,
    open_cross,
    open_fit,
    open_forecaster,
    open_policy,
)
from optimizer.tasks import run_training

TAGS = ["demand models"]


@extend_schema_view(get=extend_schema(operation_id="training_jobs", tags=TAGS))
class TrainingListView(ListAPIView[Any]):
    """All training jobs, the oldest first."""

    required_scope = Scope.RUNS_WRITE
    serializer_class = TrainingJobSerializer
    pagination_class = ByPrimaryKey

    def get_queryset(self) -> Any:
        return TrainingJob.objects.select_related("channel", "created_by", "forecaster").defer(
            "asked", "forecaster__artefact"
        )

    @extend_schema(
        operation_id="open_training_job",
        parameters=[IDEMPOTENCY_KEY],
        request=OpenTrainingSerializer,
        responses={202: OpenApiResponse(TrainingJobSerializer, description="Poll the Location until it is finished.")},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Have demand, a forecaster or a policy learned and judged; what passes goes live. Or estimate elasticities."""
        return answer_once(request, partial(self._open, request))

    def _open(self, request: Request) -> Response:
        body = OpenTrainingSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        author = request.user if isinstance(request.user, User) else None
        try:
            job = _opened(body.validated_data, author)
        except UnknownChannel as error:
            raise ValidationError({"channel": [str(error)]}) from error
        except CannotTrain as error:
            raise ValidationError({error.field: [str(error)]}) from error
        # Robust: where the queue is away the job is there all the same, and the beat sends it again.
        transaction.on_commit(partial(run_training.delay, job.pk), robust=True)
        location = f"/api/v1/training-jobs/{job.pk}"
        return Response(TrainingJobSerializer(job).data, status=202, headers={"Location": location})


def _opened(asked: dict[str, Any], author: User | None) -> TrainingJob:
    channel, now = channel_by_code(asked["channel"]), timezone.now()
    if asked["kind"] == TrainingJob.Kind.FIT:
        return open_fit(
            channel=channel, now=now, method=asked.get("method"), causal_prior=asked["causal_prior"], author=author
        )
    if asked["kind"] == TrainingJob.Kind.CROSS:
        return open_cross(channel=channel, now=now, author=author)
    chosen = {name: asked[name] for name in ("step", "network", "minutes", "seed") if name in asked}
    if asked["kind"] == TrainingJob.Kind.FORECAST:
        return open_forecaster(channel=channel, now=now, author=author, **chosen)
    if asked["kind"] == TrainingJob.Kind.POLICY:
        return open_policy(channel=channel, now=now, author=author, offline=asked.get("offline", False), **chosen)
    given = asked.get("instruments")
    return open_causal(
        channel=channel,
        now=now,
        instruments=given["values"] if given else None,
        other_channels=asked["other_channels"],
        author=author,
    )


class TrainingView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(operation_id="training_job", responses=TrainingJobSerializer, tags=TAGS)
    def get(self, request: Request, job_id: int) -> Response:
        """One training job: how far it is, and what it found."""
        job = (
            TrainingJob.objects.select_related("channel", "created_by", "forecaster")
            .defer("forecaster__artefact")
            .filter(pk=job_id)
            .first()
        )
        if job is None:
            raise NotFound(f"No training job training-{job_id}.")
        return Response(TrainingJobSerializer(job).data)
