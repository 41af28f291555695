"""What the simulation endpoints take and show."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.money import amount_text
from optimizer.assumptions import DECIMALS, MAX_CATEGORIES, MAX_SKUS, Assumptions, CostChange
from optimizer.models import OptimizationRun, Recommendation, Simulation
from optimizer.selectors.simulations import interval_90_percent


class Fraction(serializers.DecimalField):
    """A fraction as a decimal string: "0.05" is 5 %. Its bounds are checked where all doors come by."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=7, decimal_places=DECIMALS, **kwargs)


class Strict(serializers.Serializer[Any]):
    """Refuses fields that it does not know: a misspelt assumption must not be left out silently."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError({ascii(unknown[0])[1:-1]: [f"Unknown field: the fields are {known}."]})
        return super().to_internal_value(data)


class TrialGuardrailsSerializer(Strict):
    min_margin = Fraction(required=False, help_text="Smallest (price - cost) / price.")
    max_change = Fraction(required=False, help_text="Largest step against the price in force.")
    competitor_min = Fraction(required=False, help_text="Lowest distance to the competitors' median price.")
    competitor_max = Fraction(required=False, help_text="Highest distance to the competitors' median price.")


class CostChangeSerializer(Strict):
    change = Fraction(help_text="A fraction: 0.05 is a cost that is 5 % higher.")
    category = serializers.SlugField(required=False, max_length=64, help_text="Code of a category; without it all.")


class OpenSimulationSerializer(Strict):
    name = serializers.CharField(max_length=120)
    objective = serializers.ChoiceField(choices=OptimizationRun.Objective.choices, default="profit")
    channel = serializers.SlugField(required=False, help_text="Defaults to the shop's default channel.")
    guardrails = TrialGuardrailsSerializer(required=False, help_text="In the place of what the policies say.")
    cost_changes = CostChangeSerializer(many=True, required=False)
    categories = serializers.ListField(
        child=serializers.SlugField(max_length=64), required=False, max_length=MAX_CATEGORIES, help_text="Their codes."
    )
    skus = serializers.ListField(child=serializers.CharField(max_length=64), required=False, max_length=MAX_SKUS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"channel": settings.DEFAULT_CHANNEL, **attrs}

    def assumptions(self) -> Assumptions:
        """Return what was sent, checked; raises InvalidAssumptions."""
        body = self.validated_data
        return Assumptions(
            guardrails=dict(body.get("guardrails", {})),
            cost_changes=tuple(CostChange(**cost) for cost in body.get("cost_changes", [])),
            categories=tuple(body.get("categories", [])),
            skus=tuple(body.get("skus", [])),
        )


class SimulationSerializer(serializers.ModelSerializer[Simulation]):
    id = serializers.UUIDField(source="run_id")
    status = serializers.SerializerMethodField(help_text="computing, computed, promoted or failed.")
    objective = serializers.CharField(source="run.objective")
    channel = serializers.CharField(source="run.channel.code")
    currency = serializers.CharField(source="run.channel.currency")
    model = serializers.CharField(source="run.fit")
    author = serializers.CharField(source="author.username", default=None, allow_null=True)
    created_at = serializers.DateTimeField(source="run.created_at")
    finished_at = serializers.DateTimeField(source="run.finished_at")
    progress = serializers.SerializerMethodField()
    guard_numbers = serializers.JSONField(source="run.guard_numbers")
    error = serializers.SerializerMethodField()
    promoted_by = serializers.CharField(source="promoted_by.username", default=None, allow_null=True)

    class Meta:
        model = Simulation
        fields = [
            "id", "name", "status", "objective", "channel", "currency", "model", "assumptions", "author", "created_at",
            "finished_at", "progress", "guard_numbers", "effect", "fingerprint", "promoted_at", "promoted_by", "error",
        ]  # fmt: skip

    def get_status(self, simulation: Simulation) -> str:
        return simulation.state

    def get_progress(self, simulation: Any) -> dict[str, int]:
        return {"chunks": simulation.chunks_total, "done": simulation.chunks_done}

    def get_error(self, simulation: Simulation) -> str:
        return simulation.run.error if simulation.run.status == OptimizationRun.Status.FAILED else ""


class ChangeSerializer(serializers.Serializer[Any]):
    mean = serializers.FloatField()
    low = serializers.FloatField(help_text="5 % quantile of a normal approximation.")
    high = serializers.FloatField(help_text="95 % quantile.")


class SimulatedPriceSerializer(serializers.ModelSerializer[Recommendation]):
    sku = serializers.CharField(source="listing.product.sku")
    currency = serializers.CharField(source="listing.channel.currency")
    price_before = serializers.SerializerMethodField(help_text="In force when it was simulated.")
    live_price = serializers.SerializerMethodField(help_text="In force now.")
    simulated_price = serializers.SerializerMethodField(help_text="Null: not priced, `reason` says why.")
    change = serializers.SerializerMethodField(help_text="Of the simulated price against the one before, a fraction.")
    price_moved = serializers.SerializerMethodField(help_text="Whether another price came into force meanwhile.")
    profit_change = serializers.SerializerMethodField(help_text="Expected, a week, with its 90 % interval.")
    revenue_change = serializers.SerializerMethodField(help_text="Expected, a week, with its 90 % interval.")
    reason = serializers.CharField(source="outcome_reason")

    class Meta:
        model = Recommendation
        fields = [
            "sku", "currency", "price_before", "live_price", "simulated_price", "change", "price_moved", "binding_rule",
            "profit_change", "revenue_change", "reason",
        ]  # fmt: skip

    def get_price_before(self, row: Recommendation) -> str:
        return amount_text(row.previous_price, row.listing.channel.currency_exponent)

    def get_live_price(self, row: Recommendation) -> str:
        return amount_text(row.listing.price_in_force, row.listing.channel.currency_exponent)

    def get_simulated_price(self, row: Recommendation) -> str | None:
        return None if row.price is None else amount_text(row.price, row.listing.channel.currency_exponent)

    def get_change(self, row: Recommendation) -> float | None:
        return None if row.price is None else float(row.price / row.previous_price - 1)

    def get_price_moved(self, row: Any) -> bool:
        return row.listing.price_version != row.simulated_version

    @extend_schema_field(ChangeSerializer(allow_null=True))
    def get_profit_change(self, row: Recommendation) -> dict[str, float] | None:
        return _change(row.profit_change_mean, row.profit_change_sd)

    @extend_schema_field(ChangeSerializer(allow_null=True))
    def get_revenue_change(self, row: Recommendation) -> dict[str, float] | None:
        return _change(row.revenue_change_mean, row.revenue_change_sd)


def _change(mean: float | None, sd: float | None) -> dict[str, float] | None:
    interval = interval_90_percent(mean, sd)
    return None if mean is None or interval is None else {"mean": mean, "low": interval[0], "high": interval[1]}
