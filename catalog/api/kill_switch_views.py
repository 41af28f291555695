"""Stop automatic prices through the API, let them pass again, and see what is stopped."""

from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.idempotency import answer_once
from catalog.api.pagination import ByPrimaryKey
from catalog.models import ApiKey, Category, Channel, KillSwitch
from catalog.models.access import Scope
from catalog.selectors.kill_switches import kill_switches
from catalog.services.kill_switches import CannotFlip, flip_kill_switch, lift_kill_switch

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="A retry with the same key gets the first answer."
)
ON = OpenApiParameter("on", bool, description="true: only those that are on; false: only those that were lifted.")
LIFT_REASON = OpenApiParameter("reason", str, description="Why prices may change by themselves again.")


class NewestFirst(ByPrimaryKey):
    ordering = "-pk"


class KillSwitchSerializer(serializers.ModelSerializer[KillSwitch]):
    scope = serializers.CharField(read_only=True, help_text="global, channel:…, category:… or model:….")
    channel = serializers.CharField(source="channel.code", default=None, allow_null=True)
    category = serializers.CharField(source="category.code", default=None, allow_null=True)
    on = serializers.BooleanField(source="is_on")
    flipped_by = serializers.CharField(source="flipped_by.username", default=None, allow_null=True)
    lifted_by = serializers.CharField(source="lifted_by.username", default=None, allow_null=True)

    class Meta:
        model = KillSwitch
        fields = [
            "id", "scope", "on", "channel", "category", "model", "reason", "flipped_at", "flipped_by",
            "flipped_through", "lifted_at", "lifted_by", "lifted_through", "lift_reason",
        ]  # fmt: skip


class FlipSerializer(serializers.Serializer[Any]):
    channel = serializers.SlugRelatedField("code", queryset=Channel.objects.all(), required=False)
    category = serializers.SlugRelatedField("code", queryset=Category.objects.all(), required=False)
    model = serializers.RegexField(
        r"^[A-Za-z0-9_.:-]+\Z",
        max_length=64,
        required=False,
        help_text="optimizer, bandit, experiment, the name of a fit such as elasticity-3, or an experiment's code.",
    )
    reason = serializers.CharField(max_length=300, help_text="Why automatic prices must stop.")


def who_calls(request: Request) -> tuple[User | None, str]:
    """Return the person behind a call, None where a key belongs to nobody, and the door in words."""
    if isinstance(request.auth, ApiKey):
        return request.auth.owner, f"API key {request.auth}"
    return (request.user if isinstance(request.user, User) else None), "API, logged in"


class KillSwitchListView(GenericAPIView[Any]):
    required_scope = Scope.KILL_SWITCH_WRITE
    serializer_class = KillSwitchSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> Any:
        wanted = self.request.query_params.get("on")
        if wanted not in {None, "true", "false"}:
            raise ValidationError({"on": ["Give true or false, or leave it out."]})
        return kill_switches(on=None if wanted is None else wanted == "true")

    @extend_schema(
        operation_id="kill_switches",
        parameters=[ON],
        responses=KillSwitchSerializer(many=True),
        tags=["kill switches"],
    )
    def get(self, request: Request) -> Response:
        """All kill switches that are on or ever were, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(KillSwitchSerializer(page, many=True).data)

    @extend_schema(
        operation_id="flip_kill_switch",
        parameters=[IDEMPOTENCY_KEY],
        request=FlipSerializer,
        responses={
            201: KillSwitchSerializer,
            200: OpenApiResponse(KillSwitchSerializer, description="It was on already: that one."),
        },
        tags=["kill switches"],
    )
    def post(self, request: Request) -> Response:
        """Stop automatic prices at once: everywhere, or in one channel or category, or those of one model."""
        return answer_once(request, partial(self._flip, request))

    def _flip(self, request: Request) -> Response:
        body = FlipSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        person, door = who_calls(request)
        try:
            switch, is_new = flip_kill_switch(by=person, through=door, now=timezone.now(), **body.validated_data)
        except CannotFlip as error:
            raise ValidationError({error.field: [str(error)]}) from error
        headers = {"Location": f"/api/v1/kill-switches/{switch.pk}"}
        return Response(KillSwitchSerializer(switch).data, status=201 if is_new else 200, headers=headers)


class KillSwitchView(APIView):
    required_scope = Scope.KILL_SWITCH_WRITE

    @extend_schema(
        operation_id="kill_switch",
        parameters=[OpenApiParameter("switch_id", OpenApiTypes.INT, OpenApiParameter.PATH)],
        responses=KillSwitchSerializer,
        tags=["kill switches"],
    )
    def get(self, request: Request, switch_id: int) -> Response:
        """One kill switch: what it stops, who flipped it and why."""
        switch = kill_switches().filter(pk=switch_id).first()
        if switch is None:
            raise _unknown(switch_id)
        return Response(KillSwitchSerializer(switch).data)

    @extend_schema(
        operation_id="lift_kill_switch",
        parameters=[OpenApiParameter("switch_id", OpenApiTypes.INT, OpenApiParameter.PATH), LIFT_REASON],
        responses={200: KillSwitchSerializer},
        tags=["kill switches"],
    )
    def delete(self, request: Request, switch_id: int) -> Response:
        """Let automatic prices pass again; the switch stays in the history. Repeating it changes nothing."""
        reason = request.query_params.get("reason", "")
        if len(reason) > 300:
            raise ValidationError({"reason": ["Give at most 300 characters."]})
        person, door = who_calls(request)
        try:
            switch = lift_kill_switch(switch_id=switch_id, by=person, through=door, reason=reason, now=timezone.now())
        except KillSwitch.DoesNotExist as error:
            raise _unknown(switch_id) from error
        return Response(KillSwitchSerializer(switch).data)


def _unknown(switch_id: int) -> NotFound:
    return NotFound(f"No kill switch {switch_id}: GET /api/v1/kill-switches lists them.")
