"""What the endpoints of the optimiser take and show."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from rest_framework import serializers

from catalog.api.serializers import PriceChangeSerializer, ServedPriceSerializer
from catalog.money import amount_text
from optimizer.models import OptimizationRun, Recommendation
from optimizer.selectors.explanations import Replay


class OpenRunSerializer(serializers.Serializer[Any]):
    objective = serializers.ChoiceField(choices=OptimizationRun.Objective.choices, default="profit")
    channel = serializers.SlugField(required=False, help_text="Defaults to the shop's default channel.")
    publish = serializers.BooleanField(default=True, help_text="False for a dry run: recommendations only.")
    canary_share = serializers.DecimalField(
        max_digits=5,
        decimal_places=4,
        min_value=Decimal("0.0001"),
        max_value=Decimal(1),
        required=False,
        help_text="Share of the prices published first; the rest waits for `release`. Defaults to the channel's.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError({ascii(unknown[0])[1:-1]: [f"Unknown field: the fields are {known}."]})
        return {"channel": settings.DEFAULT_CHANNEL, **attrs}


class RunSerializer(serializers.ModelSerializer[OptimizationRun]):
    channel = serializers.CharField(source="channel.code")
    model = serializers.CharField(source="fit")
    progress = serializers.SerializerMethodField()

    class Meta:
        model = OptimizationRun
        fields = [
            "id", "status", "objective", "channel", "model", "publishes", "canary_share", "created_at", "finished_at",
            "device", "progress", "guard_numbers", "goals", "portfolio", "error",
        ]  # fmt: skip

    def get_progress(self, run: Any) -> dict[str, int]:
        return {"chunks": run.chunks_total, "done": run.chunks_done, "published": run.chunks_published}


class RecommendationSerializer(serializers.ModelSerializer[Recommendation]):
    sku = serializers.CharField(source="listing.product.sku")
    currency = serializers.CharField(source="listing.channel.currency")
    price = serializers.SerializerMethodField()
    previous_price = serializers.SerializerMethodField()

    class Meta:
        model = Recommendation
        fields = [
            "sku", "currency", "previous_price", "price", "binding_rule", "outcome", "outcome_reason",
            "expected_demand", "expected_revenue", "expected_profit", "profit_p05", "profit_p95",
            "profit_change_mean", "profit_change_sd", "probability_better",
        ]  # fmt: skip

    def get_price(self, row: Recommendation) -> str | None:
        return None if row.price is None else amount_text(row.price, row.listing.channel.currency_exponent)

    def get_previous_price(self, row: Recommendation) -> str:
        return amount_text(row.previous_price, row.listing.channel.currency_exponent)


class NotPublishedSerializer(serializers.ModelSerializer[Recommendation]):
    sku = serializers.CharField(source="listing.product.sku")
    reason = serializers.CharField(source="outcome_reason")

    class Meta:
        model = Recommendation
        fields = ["sku", "outcome", "reason"]


class ReplaySerializer(serializers.Serializer[Any]):
    price = serializers.SerializerMethodField()
    matches = serializers.BooleanField(
        source="result.confirmed",
        default=None,
        allow_null=True,
        help_text="Whether it is the recorded price, or one that scores the same.",
    )
    admissible_prices = serializers.IntegerField(
        source="result.admissible", default=None, allow_null=True, help_text="How many were compared."
    )
    note = serializers.CharField(help_text="Why nothing was replayed; else empty.")

    def get_price(self, replay: Replay) -> str | None:
        return None if replay.price is None else amount_text(replay.price, replay.exponent)


class ServedNowSerializer(ServedPriceSerializer):
    valid_until = None  # type: ignore[assignment]  # an explanation is of this moment


class ServedArmSerializer(serializers.Serializer[Any]):
    arm = serializers.CharField()
    share = serializers.IntegerField(help_text="Basis points of the units.")
    price = serializers.CharField(help_text="Decimal string.")


class ExplanationSerializer(serializers.Serializer[Any]):
    served = ServedNowSerializer(help_text="What the storefront is answered now, with the arm that is drawn.")
    arms = ServedArmSerializer(many=True, help_text="All arms of the experiment that the price is served through.")
    change = PriceChangeSerializer(allow_null=True, help_text="The ledger row in force; null: the list price stands.")
    why = serializers.JSONField(
        source="change.explanation",
        default=dict,
        help_text="Inputs with times, model, candidate, clamps, guardrails; under `checked` what the gate itself knew.",
    )
    replay = ReplaySerializer(allow_null=True, help_text="The price worked out again from the recorded inputs alone.")
    latest_run = RecommendationSerializer(
        allow_null=True, help_text="What the newest run said, where it changed nothing."
    )
