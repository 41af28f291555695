"""Roll a run back, and see what came of it."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.idempotency import answer_once
from catalog.api.pagination import ByPrimaryKey
from catalog.api.problems import Problem
from catalog.models import RolledBackPrice
from catalog.models.access import Scope
from catalog.selectors.rollbacks import rollback_of, rolled_back_prices
from catalog.services.roll_back import CannotRollBack, roll_back_run
from optimizer.api.rollback_serializers import RollBackSerializer, RollbackSerializer, RolledBackPriceSerializer
from optimizer.api.views import IDEMPOTENCY_KEY, required_run

OUTCOME = OpenApiParameter("outcome", str, enum=RolledBackPrice.Outcome.values, description="Without it all are shown.")


@extend_schema_view(
    get=extend_schema(
        operation_id="optimization_run_rollback_results", parameters=[OUTCOME], tags=["optimisation runs"]
    )
)
class RunRollbackView(ListAPIView[Any]):
    """What the rollback did with each price that the run changed: restored, changed since, or refused and why."""

    required_scope = Scope.RUNS_WRITE
    serializer_class = RolledBackPriceSerializer
    pagination_class = ByPrimaryKey

    def get_queryset(self) -> Any:
        run = required_run(self.kwargs["run_id"])
        rollback = rollback_of(run_id=run.pk)
        if rollback is None:
            raise NotFound(f"Run {run.pk} was not rolled back.")
        return rolled_back_prices(rollback=rollback, outcome=self._outcome())

    def _outcome(self) -> str | None:
        outcome = self.request.query_params.get("outcome")
        if outcome is not None and outcome not in RolledBackPrice.Outcome.values:
            raise ValidationError({"outcome": [f"Give one of {', '.join(RolledBackPrice.Outcome.values)}."]})
        return outcome

    @extend_schema(
        operation_id="roll_back_optimization_run",
        parameters=[IDEMPOTENCY_KEY],
        request=RollBackSerializer,
        responses={200: OpenApiResponse(RollbackSerializer, description="GET the same URL for each price.")},
        tags=["optimisation runs"],
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        """Give the prices that a run changed their prior price back, where they are still in force; once a run."""
        return answer_once(request, partial(self._roll_back, request, run_id))

    def _roll_back(self, request: Request, run_id: UUID) -> Response:
        body = RollBackSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            rollback = roll_back_run(
                run_id=required_run(run_id).pk,
                author=request.user if isinstance(request.user, User) else None,
                reason=body.validated_data["reason"],
                now=timezone.now(),
            )
        except CannotRollBack as error:
            raise Problem("conflict", 409, str(error)) from error
        return Response(RollbackSerializer(rollback).data)
