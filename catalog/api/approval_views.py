"""Prices that wait for a second person: read, approve, reject."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.kill_switch_views import NewestFirst, who_calls
from catalog.api.permissions import PERMISSION_OF_SCOPE
from catalog.api.problems import Problem
from catalog.models import PriceApproval
from catalog.models.access import Scope
from catalog.money import amount_text
from catalog.selectors.price_approvals import price_approvals
from catalog.selectors.price_groups import broken_group_names
from catalog.services.price_approvals import NotWaiting, OwnRequest, approve_price, reject_price

STATUS = OpenApiParameter("status", str, enum=PriceApproval.Status.values, description="Only those of this status.")
ID = OpenApiParameter("approval_id", OpenApiTypes.INT, OpenApiParameter.PATH)


class PriceApprovalSerializer(serializers.ModelSerializer[PriceApproval]):
    sku = serializers.CharField(source="listing.product.sku")
    channel = serializers.CharField(source="listing.channel.code")
    currency = serializers.CharField(source="listing.channel.currency")
    price = serializers.SerializerMethodField()
    price_before = serializers.SerializerMethodField()
    change = serializers.DecimalField(9, 4, help_text="Step against the price in force: 0.2 is 20 %.")
    revenue_at_stake = serializers.SerializerMethodField(help_text="A week at the new price; null: not known.")
    risks = serializers.ListField(child=serializers.CharField(), help_text="Why a second person must look.")
    requested_by = serializers.CharField(source="requested_by.username", default=None, allow_null=True)
    decided_by = serializers.CharField(source="decided_by.username", default=None, allow_null=True)

    class Meta:
        model = PriceApproval
        fields = [
            "id", "status", "sku", "channel", "price", "price_before", "currency", "change", "revenue_at_stake",
            "risks", "source", "binding_rule", "reason", "run_id", "expected_version", "requested_by", "requested_at",
            "expires_at", "decided_by", "decided_at", "comment",
        ]  # fmt: skip

    def get_price(self, row: PriceApproval) -> str:
        return amount_text(row.price, row.listing.channel.currency_exponent)

    def get_price_before(self, row: PriceApproval) -> str:
        return amount_text(row.price_before, row.listing.channel.currency_exponent)

    def get_revenue_at_stake(self, row: PriceApproval) -> str | None:
        if row.revenue_at_stake is None:
            return None
        return amount_text(row.revenue_at_stake, row.listing.channel.currency_exponent)


class ApprovedPriceSerializer(PriceApprovalSerializer):
    broken_relations = serializers.SerializerMethodField(
        help_text="The families and ladders that the published price leaves broken, by name."
    )

    class Meta(PriceApprovalSerializer.Meta):
        fields = [*PriceApprovalSerializer.Meta.fields, "broken_relations"]

    def get_broken_relations(self, row: PriceApproval) -> list[str]:
        return broken_group_names(row.listing)


class DecideSerializer(serializers.Serializer[Any]):
    comment = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class PriceApprovalListView(GenericAPIView[Any]):
    required_scope = Scope.APPROVALS_WRITE
    serializer_class = PriceApprovalSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> Any:
        status = self.request.query_params.get("status")
        if status not in {None, *PriceApproval.Status.values}:
            raise ValidationError({"status": [f"Give one of {', '.join(PriceApproval.Status.values)}."]})
        return price_approvals(status=status)

    @extend_schema(
        operation_id="price_approvals",
        parameters=[STATUS],
        responses=PriceApprovalSerializer(many=True),
        tags=["price approvals"],
    )
    def get(self, request: Request) -> Response:
        """Prices that wait, or waited, for a second person, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(PriceApprovalSerializer(page, many=True).data)


class ApproveView(APIView):
    required_scope = Scope.APPROVALS_WRITE

    @extend_schema(
        operation_id="approve_price",
        parameters=[ID],
        request=DecideSerializer,
        responses=ApprovedPriceSerializer,
        tags=["price approvals"],
    )
    def post(self, request: Request, approval_id: int) -> Response:
        """Publish a waiting price through the gate, as it would be checked today; 409 where the gate refuses it."""
        decision = _decide(request, approval_id, approve_price)
        if decision.refused:
            raise Problem("conflict", 409, f"The price was not published: {decision.refused}.")
        return Response(ApprovedPriceSerializer(decision.approval).data)


class RejectView(APIView):
    required_scope = Scope.APPROVALS_WRITE

    @extend_schema(
        operation_id="reject_price",
        parameters=[ID],
        request=DecideSerializer,
        responses=PriceApprovalSerializer,
        tags=["price approvals"],
    )
    def post(self, request: Request, approval_id: int) -> Response:
        """Decide that a waiting price is not published."""
        return Response(PriceApprovalSerializer(_decide(request, approval_id, reject_price)).data)


def _decide(request: Request, approval_id: int, decide: Callable[..., Any]) -> Any:
    body = DecideSerializer(data=request.data)
    body.is_valid(raise_exception=True)
    person = _person(request)
    try:
        return decide(approval_id=approval_id, by=person, now=timezone.now(), comment=body.validated_data["comment"])
    except PriceApproval.DoesNotExist as error:
        raise NotFound(f"No price approval {approval_id}: GET /api/v1/price-approvals lists them.") from error
    except OwnRequest as error:
        raise PermissionDenied(str(error)) from error
    except NotWaiting as error:
        raise Problem("conflict", 409, str(error)) from error


def _person(request: Request) -> User:
    """Return the person who decides; a key decides for its owner, who must be allowed to."""
    person, _ = who_calls(request)
    if person is None:
        raise PermissionDenied("This API key belongs to nobody: issue one with an owner to approve prices.")
    if not (person.is_active and person.has_perm(PERMISSION_OF_SCOPE[Scope.APPROVALS_WRITE])):
        raise PermissionDenied(
            f"{person.get_username()} may not decide on prices: ask for the permission to change them."
        )
    return person
