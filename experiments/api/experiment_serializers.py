"""What the experiment endpoints take and show. Rates are decimal strings, times are UTC."""

from typing import Any

from rest_framework import serializers

from catalog.models import Category, Channel
from catalog.selectors.channels import UnknownChannel, channel_by_code
from experiments.models import ExperimentArm, GuardrailMetric, PriceExperiment
from experiments.services.draft_experiment import USUAL_LAYER

Decision = PriceExperiment.Decision

PLAN_FIELDS = [
    "code", "name", "hypothesis", "channel", "layer", "first_bucket", "buckets", "category", "design", "matching",
    "metric", "method", "spending", "horizon_days", "minimum_effect", "alpha", "power", "cuped_days",
    "winsor_quantile", "slot_seconds", "washout_seconds", "discloses_personalisation", "disclosure",
]  # fmt: skip
LIFE_FIELDS = [
    "status", "created_at", "created_by", "submitted_at", "submitted_by", "started_at", "started_by", "stopped_at",
    "stopped_by", "stop_reason", "decided_at", "decided_by", "decision", "promoted_arm",
]  # fmt: skip


class ArmSerializer(serializers.ModelSerializer[ExperimentArm]):
    class Meta:
        model = ExperimentArm
        fields = ["name", "share", "price_change"]


class GuardrailMetricSerializer(serializers.ModelSerializer[GuardrailMetric]):
    class Meta:
        model = GuardrailMetric
        fields = ["metric", "tolerated_loss"]


class ChannelByCode(serializers.SlugRelatedField[Channel]):
    """A channel by its code; the error lists those that exist."""

    def to_internal_value(self, data: Any) -> Channel:
        try:
            return channel_by_code(str(data))
        except UnknownChannel as error:
            raise serializers.ValidationError(str(error)) from error


class ExperimentRequestSerializer(serializers.ModelSerializer[PriceExperiment]):
    channel = ChannelByCode("code", queryset=Channel.objects.all())
    category = serializers.SlugRelatedField(
        "code",
        queryset=Category.objects.all(),
        required=False,
        allow_null=True,
        error_messages={"does_not_exist": "no category {value!r}: give the code of one"},
    )
    layer = serializers.SlugField(
        max_length=64, default=USUAL_LAYER, help_text="Name of the layer; made where the channel has none of that name."
    )
    arms = ArmSerializer(many=True, help_text="The control first, which changes no price.")
    guardrails = GuardrailMetricSerializer(many=True, required=False)

    class Meta:
        model = PriceExperiment
        fields = [*PLAN_FIELDS, "arms", "guardrails"]


class ExperimentSerializer(serializers.ModelSerializer[PriceExperiment]):
    channel = serializers.CharField(source="channel.code")
    layer = serializers.CharField(source="layer.name")
    category = serializers.CharField(source="category.code", default=None, allow_null=True)
    arms = ArmSerializer(many=True)
    guardrails = GuardrailMetricSerializer(many=True)
    promoted_arm = serializers.CharField(source="promoted_arm.name", default=None, allow_null=True)

    class Meta:
        model = PriceExperiment
        fields = [*PLAN_FIELDS, *LIFE_FIELDS, "arms", "guardrails"]


class OneExperimentSerializer(ExperimentSerializer):
    plan = serializers.JSONField(
        allow_null=True, help_text="Arms, refused listings by reason, precision, interference, problems, warnings."
    )

    class Meta(ExperimentSerializer.Meta):
        fields = [*ExperimentSerializer.Meta.fields, "plan"]


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300, help_text="Why; read again when it is decided.")


class DecisionSerializer(serializers.Serializer[Any]):
    decision = serializers.ChoiceField(choices=Decision.choices)
    arm = serializers.CharField(max_length=32, required=False, help_text="The winner, where it is promoted.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["decision"] == Decision.PROMOTED) != ("arm" in attrs):
            raise serializers.ValidationError({"arm": "Name the arm that is promoted; and only then."})
        return attrs


class PublishedSerializer(serializers.Serializer[Any]):
    published = serializers.IntegerField(help_text="Listings whose price is now the winner's.")
    unchanged = serializers.IntegerField()
    already_published = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="For a second person.")
    refused = serializers.DictField(child=serializers.IntegerField(), help_text="Listings by the gate's reason.")


class DecidedSerializer(OneExperimentSerializer):
    prices = PublishedSerializer(allow_null=True, help_text="What became of the winner's prices; null: none moved.")

    class Meta(OneExperimentSerializer.Meta):
        fields = [*OneExperimentSerializer.Meta.fields, "prices"]
