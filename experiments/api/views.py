"""What other policies would have earned."""

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models.access import Scope
from catalog.selectors.channels import UnknownChannel, channel_by_code
from experiments.api.serializers import EvaluationRequestSerializer, EvaluationSerializer
from experiments.selectors.policy_values import policy_values
from experiments.stats.target_policies import POLICIES


class BanditEvaluationView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(
        operation_id="bandit_evaluations",
        parameters=[EvaluationRequestSerializer],
        responses=EvaluationSerializer,
        tags=["bandit"],
    )
    def get(self, request: Request) -> Response:
        """Estimate what policies would have earned a decision in a period, from the bandit's logged decisions."""
        query = EvaluationRequestSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        try:
            channel = channel_by_code(asked["channel"])
        except UnknownChannel as error:
            raise NotFound(str(error)) from error
        wanted = [asked["policy"]] if "policy" in asked else list(POLICIES)
        values = policy_values(channel=channel.code, since=asked["since"], until=asked["until"], policies=wanted)
        answer = asked | {"channel": channel.code, "currency": channel.currency, "policies": values}
        return Response(EvaluationSerializer(answer).data)
