from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework import serializers

from experiments.stats.target_policies import POLICIES

DEFAULT_PERIOD = timedelta(weeks=1)


class EvaluationRequestSerializer(serializers.Serializer[Any]):
    channel = serializers.SlugField(default=settings.DEFAULT_CHANNEL)
    policy = serializers.ChoiceField(choices=list(POLICIES), required=False, help_text="Only this one; else all.")
    since = serializers.DateTimeField(required=False, help_text="A week before `until` unless given.")
    until = serializers.DateTimeField(required=False, help_text="Now unless given.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("until", timezone.now())
        attrs.setdefault("since", attrs["until"] - DEFAULT_PERIOD)
        if attrs["since"] >= attrs["until"]:
            raise serializers.ValidationError({"since": ["It is not before until: give an earlier moment."]})
        return attrs


class EstimateSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField()
    low = serializers.FloatField(help_text="Of the 95 % interval.")
    high = serializers.FloatField()


class PolicyValueSerializer(serializers.Serializer[Any]):
    policy = serializers.CharField()
    doubly_robust = EstimateSerializer(source="result.doubly_robust", default=None, allow_null=True)
    self_normalised = EstimateSerializer(source="result.snips", default=None, allow_null=True)
    ips = EstimateSerializer(source="result.ips", default=None, allow_null=True)
    logged = EstimateSerializer(
        source="result.logged", default=None, allow_null=True, help_text="What was earned a decision."
    )
    decisions = serializers.IntegerField(source="result.decisions", default=0)
    effective_decisions = serializers.FloatField(
        source="result.effective_decisions", default=0.0, help_text="How many on-policy decisions these are worth."
    )
    largest_weight = serializers.FloatField(source="result.largest_weight", default=0.0)
    reliable = serializers.BooleanField(
        source="result.has_overlap", default=False, help_text="Whether enough like it was drawn."
    )
    problem = serializers.CharField(help_text="Why there is no value; else empty.")


class EvaluationSerializer(serializers.Serializer[Any]):
    channel = serializers.CharField()
    currency = serializers.CharField(help_text="Of every value: reward a decision.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    policies = PolicyValueSerializer(many=True)
