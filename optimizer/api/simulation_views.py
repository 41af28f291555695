"""Simulations: created, polled, compared with the live prices, promoted."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.idempotency import answer_once
from catalog.api.pagination import ByPrimaryKey
from catalog.api.problems import Problem
from catalog.models.access import Scope
from catalog.selectors.channels import UnknownChannel, channel_by_code
from optimizer.api.simulation_serializers import (
    OpenSimulationSerializer,
    SimulatedPriceSerializer,
    SimulationSerializer,
)
from optimizer.api.views import IDEMPOTENCY_KEY
from optimizer.assumptions import InvalidAssumptions
from optimizer.models import Simulation
from optimizer.selectors.simulations import all_simulations, simulated_prices, simulation_of
from optimizer.services.open_run import CannotOptimize
from optimizer.services.open_simulation import open_simulation
from optimizer.services.promote_simulation import CannotPromote, NotAllPromoted, WorldMoved, promote_simulation
from optimizer.tasks import enqueue_chunks

IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True, description="ETag of the simulation that was looked at."
)
TAGS = ["simulations"]


def required_simulation(run_id: UUID) -> Simulation:
    simulation = simulation_of(run_id=run_id)
    if simulation is None:
        raise NotFound(f"No simulation {run_id}.")
    return simulation


def shown(simulation: Simulation, **kwargs: Any) -> Response:
    """Answer with a simulation; once it is computed its ETag is the hash of what it was computed on."""
    response = Response(SimulationSerializer(simulation).data, **kwargs)
    if simulation.fingerprint:
        response["ETag"] = f'"{simulation.fingerprint}"'
    return response


@extend_schema_view(get=extend_schema(operation_id="simulations", tags=TAGS))
class SimulationListView(ListAPIView[Any]):
    """All simulations, the oldest first."""

    required_scope = Scope.RUNS_WRITE
    serializer_class = SimulationSerializer
    pagination_class = ByPrimaryKey

    def get_queryset(self) -> Any:
        return all_simulations()

    @extend_schema(
        operation_id="open_simulation",
        parameters=[IDEMPOTENCY_KEY],
        request=OpenSimulationSerializer,
        responses={202: OpenApiResponse(SimulationSerializer, description="Poll the Location until it is computed.")},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Simulate prices under assumptions. Workers compute them; nothing is published."""
        return answer_once(request, partial(self._open, request))

    def _open(self, request: Request) -> Response:
        body = OpenSimulationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            simulation = open_simulation(
                name=body.validated_data["name"],
                channel=channel_by_code(body.validated_data["channel"]),
                objective=body.validated_data["objective"],
                assumptions=body.assumptions(),
                author=request.user if isinstance(request.user, User) else None,
                now=timezone.now(),
            )
        except UnknownChannel as error:
            raise ValidationError({"channel": [str(error)]}) from error
        except InvalidAssumptions as error:
            raise ValidationError(_nested(error)) from error
        except CannotOptimize as error:
            raise Problem("conflict", 409, str(error)) from error
        # Robust: where the queue is away the run is open all the same, and the beat sends what is missing.
        transaction.on_commit(partial(enqueue_chunks, simulation.run_id), robust=True)
        location = f"/api/v1/simulations/{simulation.run_id}"
        return shown(required_simulation(simulation.run_id), status=202, headers={"Location": location})


def _nested(error: InvalidAssumptions) -> dict[str, Any]:
    detail: Any = [error.message]
    for name in reversed(error.path):
        detail = {name: detail}
    return detail


class SimulationView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(operation_id="simulation", responses=SimulationSerializer, tags=TAGS)
    def get(self, request: Request, run_id: UUID) -> Response:
        """A simulation, its progress and, once it is computed, its effect. Its ETag is what promoting it asks for."""
        return shown(required_simulation(run_id))


class ByListing(ByPrimaryKey):
    """Pages of one simulation's rows in the order in which an index has them."""

    ordering = "listing_id"


@extend_schema_view(get=extend_schema(operation_id="simulation_diff", tags=TAGS))
class SimulationDiffView(ListAPIView[Any]):
    """Live and simulated price of every SKU of a simulation, and what the change is expected to bring."""

    required_scope = Scope.RUNS_WRITE
    serializer_class = SimulatedPriceSerializer
    pagination_class = ByListing

    def get_queryset(self) -> Any:
        return simulated_prices(run=required_simulation(self.kwargs["run_id"]).run)


class PromoteSimulationView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(
        operation_id="promote_simulation",
        parameters=[IF_MATCH, IDEMPOTENCY_KEY],
        request=None,
        responses=SimulationSerializer,
        tags=TAGS,
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        """Publish all prices of a simulation or none: 412 where the world moved since, 409 where the gate refuses."""
        return answer_once(request, partial(self._promote, request, run_id))

    def _promote(self, request: Request, run_id: UUID) -> Response:
        simulation = required_simulation(run_id)
        try:
            promote_simulation(
                run_id=run_id,
                expected=_expected(request, simulation),
                author=request.user if isinstance(request.user, User) else None,
                now=timezone.now(),
            )
        except WorldMoved as error:
            raise Problem("precondition-failed", 412, str(error), members=_in_the_way("moved", error)) from error
        except NotAllPromoted as error:
            raise Problem("conflict", 409, str(error), members=_in_the_way("refused", error)) from error
        except CannotPromote as error:
            raise Problem("conflict", 409, str(error)) from error
        return shown(required_simulation(run_id))


def _expected(request: Request, simulation: Simulation) -> str:
    """Return the fingerprint that the caller looked at; weak ETags match nothing (RFC 9110, section 13.1.1)."""
    header = request.headers.get("If-Match")
    if header is None:
        raise Problem("precondition-required", 428, "Send the simulation's ETag in If-Match.")
    etags = parse_etags(header)
    if "*" in etags or f'"{simulation.fingerprint}"' in etags:
        return simulation.fingerprint
    return ""


def _in_the_way(name: str, error: NotAllPromoted) -> dict[str, Any]:
    examples = [{"sku": each.sku, "reason": each.reason} for each in error.examples]
    return {name: {"count": error.count, "examples": examples}}
