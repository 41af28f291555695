"""What an experiment says."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models.access import Scope
from experiments.api.event_views import TAGS
from experiments.api.readout_serializers import ReadoutRequestSerializer, ReadoutSerializer
from experiments.selectors.experiment_by_code import UnknownExperiment, experiment_by_code
from experiments.selectors.readout_figures import figures_of
from experiments.selectors.readouts import readout_for


class ReadoutView(APIView):
    required_scope = Scope.RUNS_WRITE

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
        query = ReadoutRequestSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        try:
            experiment = experiment_by_code(code)
        except UnknownExperiment as error:
            raise NotFound(str(error)) from error
        found = readout_for(experiment=experiment, at=query.validated_data.get("at", timezone.now()))
        return Response(figures_of(found))
