"""The doors for what shops report of an experiment: exposures and outcomes, in bulk."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.idempotency import answer_once
from catalog.api.problems import Problem, problem_errors
from catalog.models.access import Scope
from experiments.api.event_serializers import (
    MOST_EVENTS,
    EventsAnswerSerializer,
    ExperimentOutcomesRequestSerializer,
    ExposureSerializer,
    ExposuresRequestSerializer,
    OutcomeEventSerializer,
)
from experiments.selectors.experiment_by_code import UnknownExperiment, experiment_by_code
from experiments.services.record_experiment_events import (
    EventsNotWanted,
    UnitEvent,
    Verdict,
    record_experiment_events,
)

TAGS = ["experiments"]
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="A retry with the same key gets the first answer."
)
ANSWER = OpenApiResponse(EventsAnswerSerializer, description="What became of the rows: good ones count, bad are named.")

Reading = type[ExposureSerializer] | type[OutcomeEventSerializer]


class EventsView(APIView):
    """Rows under one name, each read by itself."""

    required_scope = Scope.DECISIONS_WRITE
    rows_name: str
    row_serializer: Reading

    def answer(self, request: Request, code: str) -> Response:
        return answer_once(request, partial(self._recorded, request, code))

    def _recorded(self, request: Request, code: str) -> Response:
        rows = _rows(request.data, self.rows_name)
        try:
            experiment = experiment_by_code(code)
            events, errors = self._read(rows, experiment.channel.currency)
            report = record_experiment_events(experiment=experiment, events=list(events.values()), now=timezone.now())
        except UnknownExperiment as error:
            raise NotFound(str(error)) from error
        except EventsNotWanted as error:
            raise Problem("conflict", 409, str(error)) from error
        refused = [
            {"pointer": f"#/{self.rows_name}/{at}", "reason": str(verdict), "detail": verdict.words}
            for at, verdict in zip(events, report.verdicts, strict=True)
            if verdict.is_refusal
        ]
        answer: dict[str, Any] = {str(verdict): report.counts[verdict] for verdict in Verdict if not verdict.is_refusal}
        answer |= {"refused": len(rows) - sum(answer.values()), "errors": errors + refused}
        return Response(EventsAnswerSerializer(answer).data)

    def _read(self, rows: Sequence[Any], currency: str) -> tuple[dict[int, UnitEvent], list[dict[str, str]]]:
        """Return the rows that can be read, by their place, and what is wrong with the others."""
        events: dict[int, UnitEvent] = {}
        errors: list[dict[str, str]] = []
        for at, row in enumerate(rows):
            serializer = self.row_serializer(data=row)
            try:
                serializer.is_valid(raise_exception=True)
                events[at] = serializer.event_of(currency)
            except ValidationError as error:
                found = problem_errors(error, f"#/{self.rows_name}/{at}")
                errors += [{**each, "reason": "invalid"} for each in found]
        return events, errors


def _rows(body: Any, name: str) -> list[Any]:
    rows = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_EVENTS:
        raise ValidationError({name: [f"Give a list of 1 to {MOST_EVENTS:,} rows."]})
    return rows


class ExposuresView(EventsView):
    rows_name = "exposures"
    row_serializer = ExposureSerializer

    @extend_schema(
        operation_id="report_experiment_exposures",
        parameters=[IDEMPOTENCY_KEY],
        request=ExposuresRequestSerializer,
        responses=ANSWER,
        tags=TAGS,
    )
    def post(self, request: Request, code: str) -> Response:
        """Say to which units an arm's price was shown. Late is as good as early; the same `event_id` counts once.

        Rows stand by themselves: good ones count, and `errors` names each other one with its pointer. 409: the
        experiment has not started, or it randomises SKUs or categories, which are read from daily sales.
        """
        return self.answer(request, code)


class ExperimentOutcomesView(EventsView):
    rows_name = "outcomes"
    row_serializer = OutcomeEventSerializer

    @extend_schema(
        operation_id="report_experiment_outcomes",
        parameters=[IDEMPOTENCY_KEY],
        request=ExperimentOutcomesRequestSerializer,
        responses=ANSWER,
        tags=TAGS,
    )
    def post(self, request: Request, code: str) -> Response:
        """Say what units bought, by the arm whose price they paid. A return is an outcome below zero.

        An outcome counts from the day of its unit's first exposure, and may be reported before it.
        """
        return self.answer(request, code)
