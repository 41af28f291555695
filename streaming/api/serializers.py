from typing import Any

from django.conf import settings
from rest_framework import serializers

OUTCOMES = [("purchased", "purchased"), ("rejected", "rejected")]
MOST_UNITS = 1_000_000
MOST_OUTCOMES = 1_000
LOCATION = r"^[A-Za-z0-9_.-]{1,64}$"


class DecisionRequestSerializer(serializers.Serializer[Any]):
    event_id = serializers.UUIDField(
        required=False, help_text="Yours, of this demand: asked again with it, the answer is the same price."
    )
    channel = serializers.SlugField(default=settings.DEFAULT_CHANNEL)
    sku = serializers.CharField(max_length=64)
    location = serializers.RegexField(LOCATION, help_text="A place or region, never a visitor.")
    demand = serializers.IntegerField(min_value=0, max_value=MOST_UNITS, help_text="Units wanted there now.")
    supply = serializers.IntegerField(min_value=0, max_value=MOST_UNITS, help_text="Units at hand there.")


class DecisionSerializer(serializers.Serializer[Any]):
    decision_id = serializers.UUIDField(help_text="Name it in the outcome.")
    event_id = serializers.UUIDField(source="event.event_id")
    channel = serializers.CharField(source="event.channel")
    sku = serializers.CharField(source="event.sku")
    location = serializers.CharField(source="event.location")
    intensity = serializers.ChoiceField(choices=["low", "medium", "high"], help_text="Demand ÷ supply.")
    price = serializers.CharField(help_text="Decimal string. It holds for this demand alone.")
    list_price = serializers.CharField(help_text="Decimal string.")
    currency = serializers.CharField()
    propensity = serializers.FloatField(help_text="Probability with which this price was drawn.")
    decided_at = serializers.DateTimeField()
    outcome_due_at = serializers.DateTimeField(help_text="Without an outcome by then it counts as a rejection.")


class OutcomeSerializer(serializers.Serializer[Any]):
    decision_id = serializers.UUIDField()
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    occurred_at = serializers.DateTimeField(required=False, help_text="When the shopper acted; else now.")


class OutcomesRequestSerializer(serializers.Serializer[Any]):
    outcomes = serializers.ListField(child=OutcomeSerializer(), min_length=1, max_length=MOST_OUTCOMES)


class OutcomesAnswerSerializer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField(help_text="Outcomes on their way to the bandit, which learns each once.")
    unknown = serializers.ListField(
        child=serializers.UUIDField(), help_text="Decisions that are not ours: nothing was sent for them."
    )
