from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from optimizer.api.simulation_serializers import Strict
from optimizer.forecaster_gate import RULES
from optimizer.models import DemandForecaster, ForecasterPromotion, ForecastStep
from optimizer.models.forecast import MAX_REASON


class ForecastOfStepSerializer(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="First day of the step.")
    price = serializers.DecimalField(max_digits=14, decimal_places=4, help_text="What the step is forecast for.")
    quantiles = serializers.ListField(child=serializers.FloatField(), help_text="Units at each of `levels`.")
    expected = serializers.FloatField(
        allow_null=True, help_text="Mean units; null in forecasts from before it was stored."
    )
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


class ForecasterPromotionSerializer(serializers.ModelSerializer[ForecasterPromotion]):
    author = serializers.CharField(source="author.username", default=None, allow_null=True)

    class Meta:
        model = ForecasterPromotion
        fields = ["at", "author", "reason", "gate", "replaced"]


class ForecasterSerializer(serializers.ModelSerializer[DemandForecaster]):
    name = serializers.CharField(source="__str__", help_text="As forecasts name it.")
    channel = serializers.CharField(source="channel.code")
    scores = serializers.SerializerMethodField(
        help_text="On the held-out steps: `rows` by segment and method, and which method `serves` which segment."
    )
    promotions = serializers.SerializerMethodField(help_text="Each time that it went live, the newest first.")

    class Meta:
        model = DemandForecaster
        fields = [
            "id", "name", "channel", "step", "status", "config", "seed", "data_from", "data_to", "held_out_from",
            "trained_at", "seconds", "device", "scores", "verdict", "promoted_at", "promotions",
        ]  # fmt: skip
        extra_kwargs: ClassVar = {
            "verdict": {"help_text": f"Whether it `passes` the gate, and why in `words`. The gate: {RULES}."}
        }

    def get_scores(self, forecaster: Any) -> dict[str, Any]:
        return {name: value for name, value in forecaster.scores.items() if name != "held_out"}

    @extend_schema_field(ForecasterPromotionSerializer(many=True))
    def get_promotions(self, forecaster: Any) -> list[dict[str, Any]]:
        newest_first = sorted(forecaster.promotions.all(), key=lambda each: -each.pk)
        return [dict(each) for each in ForecasterPromotionSerializer(newest_first, many=True).data]


class PromoteForecasterSerializer(Strict):
    reason = serializers.CharField(max_length=MAX_REASON, default="", allow_blank=True, help_text="Kept beside it.")
    overrule = serializers.BooleanField(
        default=False, help_text="Though the gate refused it: needs a reason and a person who may overrule."
    )
