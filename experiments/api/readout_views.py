"""What an experiment says."""

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models.access import Scope
from experiments.api.event_views import TAGS
from experiments.api.readout_serializers import ReadoutRequestSerializer, ReadoutSerializer
from experiments.readout_page import as_file, readout_html
from experiments.selectors.experiment_by_code import UnknownExperiment, experiment_by_code
from experiments.selectors.readout_figures import figures_of
from experiments.selectors.readouts import ExperimentReadout, readout_for


class ReadoutView(APIView):
    required_scope = Scope.EXPERIMENTS_READ

    @extend_schema(
        operation_id="experiment_readout",
        parameters=[ReadoutRequestSerializer],
        responses=ReadoutSerializer,
        tags=TAGS,
    )
    def get(self, request: Request, code: str) -> Response:
        """Read an experiment by its registered plan: a sentence first, then the arms' shares, effects and intervals.

        It counts whole days, each of which is a look: to ask often costs nothing. Late facts change what it says.
        """
        return Response(figures_of(_readout(request, code)))


class ReadoutFileView(APIView):
    required_scope = Scope.EXPERIMENTS_READ

    @extend_schema(
        operation_id="experiment_readout_file",
        parameters=[ReadoutRequestSerializer],
        responses={(200, "text/html"): str},
        tags=TAGS,
    )
    def get(self, request: Request, code: str) -> HttpResponse:
        """The same as one HTML file with its charts in it, to keep or to send on."""
        found = _readout(request, code)
        return as_file(found.experiment, readout_html(found))


def _readout(request: Request, code: str) -> ExperimentReadout:
    query = ReadoutRequestSerializer(data=request.query_params)
    query.is_valid(raise_exception=True)
    try:
        experiment = experiment_by_code(code)
    except UnknownExperiment as error:
        raise NotFound(str(error)) from error
    return readout_for(experiment=experiment, at=query.validated_data.get("at", timezone.now()))
