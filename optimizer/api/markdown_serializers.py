"""What the endpoints of markdown plans take and show."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from rest_framework import serializers

from catalog.money import amount_text
from optimizer.models import MarkdownPlan, MarkdownStep
from optimizer.selectors.markdowns import PlannedMarkdown


class MarkdownRequestSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField(max_length=64)
    channel = serializers.SlugField(required=False, help_text="Defaults to the shop's default channel.")
    starts_on = serializers.DateField(help_text="First day.")
    ends_on = serializers.DateField(help_text="Last day; with weekly periods a whole number of weeks after the first.")
    period = serializers.ChoiceField(choices=MarkdownPlan.Period.choices, default="week")
    target_stock = serializers.IntegerField(min_value=0, max_value=10**9, default=0)
    penalty = serializers.DecimalField(
        14, 4, min_value=0, default=Decimal(0), help_text="Cost of each unit left above the target."
    )
    salvage_value = serializers.DecimalField(
        14, 4, min_value=0, default=Decimal(0), help_text="Worth of each unit left."
    )
    only_down = serializers.BooleanField(default=True)
    max_changes = serializers.IntegerField(min_value=0, max_value=400, allow_null=True, default=None)
    returns_to_list_price = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=300)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError({ascii(unknown[0])[1:-1]: [f"Unknown field: the fields are {known}."]})
        return {"channel": settings.DEFAULT_CHANNEL, **attrs}


class MarkdownPathSerializer(serializers.Serializer[Any]):
    price = serializers.ListField(child=serializers.FloatField(), help_text="Likeliest price of each period.")
    mean_price = serializers.ListField(child=serializers.FloatField(), help_text="Expected price of each period.")
    stock = serializers.ListField(
        child=serializers.FloatField(), help_text="Expected units at each start, and the end."
    )
    stock_low = serializers.ListField(child=serializers.FloatField(), help_text="10 % quantile.")
    stock_high = serializers.ListField(child=serializers.FloatField(), help_text="90 % quantile.")


class MarkdownPreviewSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField(source="listing.product.sku")
    currency = serializers.CharField(source="listing.channel.currency")
    stock = serializers.IntegerField(source="listing.inventory")
    current_price = serializers.SerializerMethodField()
    price = serializers.SerializerMethodField(help_text="What the first period would cost.")
    binding_rule = serializers.CharField()
    value = serializers.FloatField(help_text="Expected revenue and salvage until the end, less penalties.")
    value_keeping_price = serializers.FloatField(help_text="The same if the price in force stayed.")
    meets_target = serializers.FloatField(help_text="Probability that no more than the target is left.")
    forecast = MarkdownPathSerializer()

    def get_current_price(self, planned: PlannedMarkdown) -> str:
        return amount_text(planned.listing.price_in_force, planned.listing.channel.currency_exponent)

    def get_price(self, planned: PlannedMarkdown) -> str | None:
        return None if planned.price is None else amount_text(planned.price, planned.listing.channel.currency_exponent)


class MarkdownStepSerializer(serializers.ModelSerializer[MarkdownStep]):
    price = serializers.SerializerMethodField()

    class Meta:
        model = MarkdownStep
        fields = [
            "period_start", "revision", "decided_at", "periods_left", "stock", "price", "price_version", "outcome",
            "outcome_reason", "value", "value_keeping_price", "meets_target",
        ]  # fmt: skip

    def get_price(self, step: MarkdownStep) -> str | None:
        exponent = step.plan.listing.channel.currency_exponent
        return None if step.price is None else amount_text(step.price, exponent)


class MarkdownPlanSerializer(serializers.ModelSerializer[MarkdownPlan]):
    sku = serializers.CharField(source="listing.product.sku")
    channel = serializers.CharField(source="listing.channel.code")
    currency = serializers.CharField(source="listing.channel.currency")
    penalty = serializers.SerializerMethodField()
    salvage_value = serializers.SerializerMethodField()

    class Meta:
        model = MarkdownPlan
        fields = [
            "id", "sku", "channel", "currency", "status", "starts_on", "ends_on", "period", "target_stock", "penalty",
            "salvage_value", "only_down", "max_changes", "returns_to_list_price", "reason", "created_at", "started_at",
            "finished_at",
        ]  # fmt: skip

    def get_penalty(self, plan: MarkdownPlan) -> str:
        return str(plan.penalty)

    def get_salvage_value(self, plan: MarkdownPlan) -> str:
        return str(plan.salvage_value)


class MarkdownPlanDetailSerializer(MarkdownPlanSerializer):
    steps = serializers.SerializerMethodField()

    class Meta(MarkdownPlanSerializer.Meta):
        fields = [*MarkdownPlanSerializer.Meta.fields, "steps"]

    def get_steps(self, plan: MarkdownPlan) -> list[dict[str, Any]]:
        steps = plan.steps.select_related("plan__listing__channel").order_by("pk")
        return list(MarkdownStepSerializer(steps, many=True).data)
