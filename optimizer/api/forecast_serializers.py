from typing import Any

from rest_framework import serializers

from optimizer.models import ForecastStep


class ForecastOfStepSerializer(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="First day of the step.")
    price = serializers.DecimalField(max_digits=14, decimal_places=4, help_text="What the step is forecast for.")
    quantiles = serializers.ListField(child=serializers.FloatField(), help_text="Units at each of `levels`.")
    low80 = serializers.FloatField(help_text="Lower end of the 80 % interval, units.")
    high80 = serializers.FloatField(help_text="Its upper end.")


class ForecastSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField()
    channel = serializers.CharField()
    currency = serializers.CharField()
    step = serializers.ChoiceField(choices=ForecastStep.choices)
    model = serializers.CharField(help_text="The forecaster, as the admin names it.")
    made_at = serializers.DateTimeField()
    method = serializers.CharField(help_text="Which of the forecaster's methods serves the SKU.")
    cold_start = serializers.BooleanField(help_text="It has too little history: its category speaks for it.")
    elasticity = serializers.FloatField(help_text="Units at another price p: times (p / price) ^ elasticity.")
    levels = serializers.ListField(child=serializers.FloatField())
    steps = ForecastOfStepSerializer(many=True)
