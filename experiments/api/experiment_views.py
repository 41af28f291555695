"""The doors for price experiments: draft, plan, submit, start, stop, decide, and read where each stands."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import IntegrityError
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.idempotency import answer_once
from catalog.api.kill_switch_views import who_calls
from catalog.api.pagination import ByPrimaryKey
from catalog.api.permissions import PERMISSION_OF_SCOPE
from catalog.api.problems import Problem
from catalog.gate import PublishReport
from catalog.models.access import Scope
from catalog.services.kill_check import is_kill_switch
from experiments.api.experiment_serializers import (
    DecidedSerializer,
    DecisionSerializer,
    ExperimentRequestSerializer,
    ExperimentSerializer,
    OneExperimentSerializer,
    ReasonSerializer,
)
from experiments.experiment_version import version_of
from experiments.models import ExperimentArm, PriceExperiment
from experiments.selectors.experiment_by_code import UnknownExperiment, experiment_by_code
from experiments.selectors.price_experiments import price_experiments
from experiments.services.decide_experiment import decide_experiment, promote_arm
from experiments.services.draft_experiment import draft_experiment
from experiments.services.lifecycle import CannotRun, ChangedMeanwhile, NeedsSecondPerson, WrongState
from experiments.services.plan_experiment import plan_experiment
from experiments.services.start_experiment import start_experiment, submit_experiment, withdraw_experiment
from experiments.services.stop_experiment import stop_experiment

TAGS = ["experiments"]
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="A retry with the same key gets the first answer."
)
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="ETag of the experiment that was looked at."
)
STATUS = OpenApiParameter("status", str, enum=PriceExperiment.Status.values, description="Only those in this state.")
MAY_START = PERMISSION_OF_SCOPE[Scope.EXPERIMENTS_WRITE]


class NewestFirst(ByPrimaryKey):
    ordering = "-pk"


class ExperimentListView(GenericAPIView[Any]):
    serializer_class = ExperimentSerializer
    pagination_class = NewestFirst

    @property
    def required_scope(self) -> Scope:
        return Scope.EXPERIMENTS_READ if self.request.method in SAFE_METHODS else Scope.EXPERIMENTS_WRITE

    def get_queryset(self) -> Any:
        status = self.request.query_params.get("status")
        if status not in {None, *PriceExperiment.Status.values}:
            raise ValidationError({"status": [f"Give one of {', '.join(PriceExperiment.Status.values)}."]})
        return price_experiments(status=status)

    @extend_schema(
        operation_id="experiments", parameters=[STATUS], responses=ExperimentSerializer(many=True), tags=TAGS
    )
    def get(self, request: Request) -> Response:
        """All price experiments, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(ExperimentSerializer(page, many=True).data)

    @extend_schema(
        operation_id="draft_experiment",
        parameters=[IDEMPOTENCY_KEY],
        request=ExperimentRequestSerializer,
        responses={201: OneExperimentSerializer},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Draft an experiment. Nothing is served before it was planned, submitted and started."""
        return answer_once(request, partial(self._draft, request))

    def _draft(self, request: Request) -> Response:
        body = ExperimentRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        fields = dict(body.validated_data)
        arms, guardrails, layer = fields.pop("arms"), fields.pop("guardrails", []), fields.pop("layer")
        by, _ = caller(request)
        try:
            row = draft_experiment(
                fields=fields, layer=layer, arms=arms, guardrails=guardrails, by=by, now=timezone.now()
            )
        except ModelValidationError as error:
            raise ValidationError(_by_pointer(error)) from error
        return _answer(row, status=201, headers={"Location": f"/api/v1/experiments/{row.code}"})


class ExperimentView(APIView):
    required_scope = Scope.EXPERIMENTS_READ

    @extend_schema(operation_id="experiment", responses=OneExperimentSerializer, tags=TAGS)
    def get(self, request: Request, code: str) -> Response:
        """One experiment: its plan, where it stands, and who did what."""
        return _answer(_experiment(code))


class StepView(APIView):
    """One step of an experiment's life; a retry under the same Idempotency-Key takes it once."""

    required_scope = Scope.EXPERIMENTS_WRITE

    def take(self, request: Request, code: str, step: Callable[[int], Any]) -> Response:
        try:
            return answer_once(request, lambda: _taken(code, step))
        except IntegrityError as error:
            if not is_kill_switch(error):
                raise
            raise Problem("conflict", 409, "A kill switch was flipped meanwhile: nothing was served.") from error


class PlanView(StepView):
    @extend_schema(
        operation_id="plan_experiment",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=OneExperimentSerializer,
        tags=TAGS,
    )
    def post(self, request: Request, code: str) -> Response:
        """Work out who would get which price, how long it takes, and what speaks against it; nothing is served."""
        return self.take(request, code, lambda pk: plan_experiment(experiment=pk, now=timezone.now()))


class SubmitView(StepView):
    @extend_schema(
        operation_id="submit_experiment",
        parameters=[IDEMPOTENCY_KEY, IF_MATCH],
        request=None,
        responses=OneExperimentSerializer,
        tags=TAGS,
    )
    def post(self, request: Request, code: str) -> Response:
        """Register the plan: from then on neither it nor its arms can change. 409 where the plan has faults."""
        by, _ = caller(request)
        seen = _seen(request)
        return self.take(
            request, code, lambda pk: submit_experiment(experiment=pk, by=by, seen=seen, now=timezone.now())
        )


class StartView(StepView):
    @extend_schema(
        operation_id="start_experiment",
        parameters=[IDEMPOTENCY_KEY, IF_MATCH],
        request=None,
        responses=OneExperimentSerializer,
        tags=TAGS,
    )
    def post(self, request: Request, code: str) -> Response:
        """Draw the units and serve the arms through the gate. What is above its approval policy a second person starts:
        a key does so for its owner."""
        by, person = caller(request)
        starter = person if person is not None and _may_start(person) else None
        seen = _seen(request)
        return self.take(
            request,
            code,
            lambda pk: start_experiment(experiment=pk, by=by, person=starter, seen=seen, now=timezone.now()),
        )


class StopView(StepView):
    @extend_schema(
        operation_id="stop_experiment",
        parameters=[IDEMPOTENCY_KEY],
        request=ReasonSerializer,
        responses=OneExperimentSerializer,
        tags=TAGS,
    )
    def post(self, request: Request, code: str) -> Response:
        """Serve the prices in force again, at once."""
        reason, by = _reason(request), caller(request)[0]
        return self.take(
            request, code, lambda pk: stop_experiment(experiment=pk, by=by, reason=reason, now=timezone.now())
        )


class WithdrawView(StepView):
    @extend_schema(
        operation_id="withdraw_experiment",
        parameters=[IDEMPOTENCY_KEY],
        request=ReasonSerializer,
        responses=OneExperimentSerializer,
        tags=TAGS,
    )
    def post(self, request: Request, code: str) -> Response:
        """Give up a draft or a review: it never starts."""
        reason, by = _reason(request), caller(request)[0]
        return self.take(
            request, code, lambda pk: withdraw_experiment(experiment=pk, by=by, reason=reason, now=timezone.now())
        )


class DecideView(StepView):
    @extend_schema(
        operation_id="decide_experiment",
        parameters=[IDEMPOTENCY_KEY],
        request=DecisionSerializer,
        responses=OpenApiResponse(DecidedSerializer, description="As it is now, and what became of the prices."),
        tags=TAGS,
    )
    def post(self, request: Request, code: str) -> Response:
        """Decide a stopped experiment. Promoted: the arm's prices become the prices in force, through the gate; the
        same again publishes nothing twice."""
        body = DecisionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        by, person = caller(request)
        decision, arm = body.validated_data["decision"], body.validated_data.get("arm")
        if arm is None:
            step: Callable[[int], Any] = lambda pk: decide_experiment(  # noqa: E731
                experiment=pk, decision=decision, by=by, now=timezone.now()
            )
        else:
            step = lambda pk: promote_arm(experiment=pk, arm=arm, by=by, person=person, now=timezone.now())  # noqa: E731
        return self.take(request, code, step)


def caller(request: Request) -> tuple[str, User | None]:
    """Return who acts, in words, and the person, where there is one: a key acts for its owner, who answers for it."""
    person, door = who_calls(request)
    return (door, None) if person is None else (person.get_username(), person)


def _may_start(person: User) -> bool:
    """Tell whether a person counts as the second one, for whom a key may start an experiment."""
    return person.is_active and person.has_perm(MAY_START)


def _taken(code: str, step: Callable[[int], Any]) -> Response:
    experiment = _experiment(code)
    try:
        done = step(experiment.pk)
    except WrongState as error:
        raise Problem("conflict", 409, str(error)) from error
    except ChangedMeanwhile as error:
        raise Problem("precondition-failed", 412, str(error)) from error
    except CannotRun as error:
        raise Problem("conflict", 409, str(error), members={"problems": error.problems}) from error
    except NeedsSecondPerson as error:
        raise PermissionDenied(str(error)) from error
    except ExperimentArm.DoesNotExist as error:
        names = ", ".join(experiment.arms.values_list("name", flat=True))
        raise ValidationError({"arm": [f"No such arm: give one of {names}."]}) from error
    report = getattr(done, "report", None)
    return _answer(_experiment(code), report=report)


def _answer(
    row: PriceExperiment,
    *,
    report: PublishReport | None = None,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    found: dict[str, Any] = dict(OneExperimentSerializer(row).data)
    if row.decision:
        found["prices"] = None if report is None else _counts(report)
    return Response(found, status=status, headers={"ETag": f'"{version_of(row)}"'} | (headers or {}))


def _counts(report: PublishReport) -> dict[str, Any]:
    return {
        "published": len(report.published),
        "unchanged": len(report.unchanged),
        "already_published": len(report.already_published),
        "waiting": len(report.waiting),
        "refused": dict(Counter(report.refused.values())),
    }


def _experiment(code: str) -> PriceExperiment:
    try:
        return experiment_by_code(code)
    except UnknownExperiment as error:
        raise NotFound(str(error)) from error


def _seen(request: Request) -> str | None:
    header = request.headers.get("If-Match")
    return None if header is None else header.strip().strip('"')


def _reason(request: Request) -> str:
    body = ReasonSerializer(data=request.data)
    body.is_valid(raise_exception=True)
    return body.validated_data["reason"]


def _by_pointer(error: ModelValidationError) -> dict[str, Any]:
    found = error.message_dict
    return {("non_field_errors" if name == "__all__" else name): words for name, words in found.items()}
