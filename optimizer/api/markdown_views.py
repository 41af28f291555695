"""The doors of markdown plans: preview, start, read, cancel."""

from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.idempotency import answer_once
from catalog.api.pagination import ByPrimaryKey
from catalog.models.access import Scope
from catalog.selectors.listings import listing_of
from optimizer.api.markdown_serializers import (
    MarkdownPlanDetailSerializer,
    MarkdownPlanSerializer,
    MarkdownPreviewSerializer,
    MarkdownRequestSerializer,
)
from optimizer.api.views import IDEMPOTENCY_KEY
from optimizer.models import MarkdownPlan
from optimizer.selectors.markdowns import plan_by_id, recent_plans
from optimizer.services.markdown_plans import CannotPlan, cancel_markdown_plan, checked_plan, start_markdown_plan

TAGS = ["markdown plans"]


def required_plan(plan_id: int) -> MarkdownPlan:
    plan = plan_by_id(plan_id=plan_id)
    if plan is None:
        raise NotFound(f"No markdown plan {plan_id}.")
    return plan


def _plan_of(request: Request) -> MarkdownPlan:
    """Return the plan that the body describes, not saved."""
    body = MarkdownRequestSerializer(data=request.data)
    body.is_valid(raise_exception=True)
    fields = dict(body.validated_data)
    sku, channel = fields.pop("sku"), fields.pop("channel")
    listing = listing_of(channel=channel, sku=sku)
    if listing is None:
        raise ValidationError({"sku": [f"No SKU {sku!r} in channel {channel!r}: GET /api/v1/products lists them."]})
    author = request.user if isinstance(request.user, User) else None
    return MarkdownPlan(listing=listing, author=author, created_at=timezone.now(), **fields)


def _refused(error: CannotPlan) -> ValidationError:
    return ValidationError({"sku" if error.field == "listing" else error.field: [f"Cannot be planned: {error}."]})


class MarkdownPlanListView(ListAPIView[Any]):
    required_scope = Scope.RUNS_WRITE
    serializer_class = MarkdownPlanSerializer
    pagination_class = ByPrimaryKey

    def get_queryset(self) -> Any:
        return recent_plans()

    @extend_schema(operation_id="markdown_plans", tags=TAGS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All markdown plans, drafts and past ones included."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="start_markdown_plan",
        parameters=[IDEMPOTENCY_KEY],
        request=MarkdownRequestSerializer,
        responses={201: OpenApiResponse(MarkdownPlanDetailSerializer, description="Its prices come with the beat.")},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Start a plan. From its first day on it sets the SKU's price; runs and bandit are refused meanwhile."""
        return answer_once(request, partial(self._start, request))

    def _start(self, request: Request) -> Response:
        try:
            plan = start_markdown_plan(plan=_plan_of(request), now=timezone.now())
        except CannotPlan as error:
            raise _refused(error) from error
        location = f"/api/v1/markdown-plans/{plan.pk}"
        return Response(MarkdownPlanDetailSerializer(plan).data, status=201, headers={"Location": location})


class MarkdownPreviewView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(
        operation_id="preview_markdown_plan",
        request=MarkdownRequestSerializer,
        responses=MarkdownPreviewSerializer,
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """What a plan would do, and how it compares with keeping the price. Nothing is saved."""
        try:
            planned = checked_plan(plan=_plan_of(request), now=timezone.now())
        except CannotPlan as error:
            raise _refused(error) from error
        return Response(MarkdownPreviewSerializer(planned).data)


class MarkdownPlanView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(operation_id="markdown_plan", responses=MarkdownPlanDetailSerializer, tags=TAGS)
    def get(self, request: Request, plan_id: int) -> Response:
        """One plan with every step that it took."""
        return Response(MarkdownPlanDetailSerializer(required_plan(plan_id)).data)


class MarkdownCancelView(APIView):
    required_scope = Scope.RUNS_WRITE

    @extend_schema(operation_id="cancel_markdown_plan", request=None, responses=MarkdownPlanDetailSerializer, tags=TAGS)
    def post(self, request: Request, plan_id: int) -> Response:
        """Stop a plan: the price in force stays. Repeating it changes nothing."""
        plan = cancel_markdown_plan(plan=required_plan(plan_id), now=timezone.now())
        return Response(MarkdownPlanDetailSerializer(plan).data)
