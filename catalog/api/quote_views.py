"""The doors for price quotes: issue signed tokens, and say what they are worth."""

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.quote_serializers import (
    QuoteListSerializer,
    QuoteRequestSerializer,
    VerificationSerializer,
    VerifyRequestSerializer,
)
from catalog.models.access import Scope
from catalog.quotes import Purpose
from catalog.services.quotes import issue_quotes, verify_quotes


class QuoteView(APIView):
    required_scope = Scope.PRICES_READ

    @extend_schema(
        operation_id="quotes",
        request=QuoteRequestSerializer,
        responses=QuoteListSerializer,
        tags=["quotes"],
    )
    def post(self, request: Request) -> Response:
        """Prices in force as signed tokens that hold until they expire, in the order asked; unknown SKUs are named."""
        body = QuoteRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        skus = list(dict.fromkeys(body.validated_data["skus"]))
        issued = issue_quotes(
            channel=body.validated_data.get("channel", settings.DEFAULT_CHANNEL),
            skus=skus,
            purpose=Purpose(body.validated_data["purpose"]),
            region=body.validated_data.get("region"),
            page_tokens=body.validated_data.get("page_tokens", []),
            now=timezone.now(),
        )
        answer = {
            "quotes": [issued[sku] for sku in skus if sku in issued],
            "unknown_skus": [sku for sku in skus if sku not in issued],
        }
        return Response(QuoteListSerializer(answer).data)


class QuoteVerificationView(APIView):
    required_scope = Scope.PRICES_READ

    @extend_schema(
        operation_id="quotes_verify",
        request=VerifyRequestSerializer,
        responses=VerificationSerializer,
        tags=["quotes"],
    )
    def post(self, request: Request) -> Response:
        """Whether each token is valid, expired or tampered, and what to charge; in the order given."""
        body = VerifyRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        results = verify_quotes(tokens=body.validated_data["tokens"], now=timezone.now())
        return Response(VerificationSerializer({"results": results}).data)
