"""The doors of the bandit: a price for a demand, and what came of it."""

import uuid
from typing import Any

import numpy as np
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.problems import Problem
from catalog.models.access import Scope
from catalog.plain_words import refusal_words
from experiments.services.decide_prices import DemandEvent
from experiments.services.record_outcomes import Outcome
from streaming.api.serializers import (
    DecisionRequestSerializer,
    DecisionSerializer,
    OutcomesAnswerSerializer,
    OutcomesRequestSerializer,
)
from streaming.services.storefront import NotDecided, decide_now, publish_outcomes

TAGS = ["bandit"]
RNG = np.random.default_rng()


class DecisionView(APIView):
    required_scope = Scope.DECISIONS_WRITE

    @extend_schema(
        operation_id="decide_price",
        request=DecisionRequestSerializer,
        responses={201: DecisionSerializer, 409: OpenApiResponse(description="Held: use the price in force.")},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Draw a price for a demand at a place. The same `event_id` gets the same answer however often it asks.

        Where the listing is held (no cost, a person's price, a markdown plan, a kill switch) the answer is 409 with the
        `reason`: show the price in force, GET /api/v1/prices/{sku}.
        """
        body = DecisionRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        fields: dict[str, Any] = {"event_id": uuid.uuid4()} | body.validated_data
        now = timezone.now()
        try:
            decided = decide_now(event=DemandEvent(occurred_at=now, **fields), now=now, rng=RNG)
        except NotDecided as error:
            raise _problem(error, fields) from error
        return Response(DecisionSerializer(decided).data, status=201)


def _problem(error: NotDecided, fields: dict[str, Any]) -> Problem:
    if error.reason == "unknown_listing":
        return Problem("not-found", 404, f"No SKU {fields['sku']!r} in channel {fields['channel']!r}.")
    words = f"No price is drawn here: {refusal_words(error.reason)}. Show the price in force."
    return Problem("conflict", 409, words, members={"reason": error.reason})


class OutcomesView(APIView):
    required_scope = Scope.DECISIONS_WRITE

    @extend_schema(
        operation_id="report_outcomes",
        request=OutcomesRequestSerializer,
        responses={202: OutcomesAnswerSerializer},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Say what shoppers did. Each decision's first outcome counts; sent again it changes nothing."""
        body = OutcomesRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        now = timezone.now()
        outcomes = [
            Outcome(each["decision_id"], each["outcome"] == "purchased", each.get("occurred_at", now))
            for each in body.validated_data["outcomes"]
        ]
        unknown = publish_outcomes(outcomes=outcomes, now=now)
        answer = {
            "accepted": len(outcomes) - len(unknown),
            "unknown": sorted({outcome.decision_id for outcome in unknown}),
        }
        return Response(OutcomesAnswerSerializer(answer).data, status=202)
