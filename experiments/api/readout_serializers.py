"""What a read-out looks like in the API. Effects are the arm's metric less the control's; null: not known yet."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from experiments.models import PriceExperiment
from experiments.stats.inference import DECISIONS


class ReadoutRequestSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(
        required=False, help_text="As it was read at this moment, with the facts that are known now; now unless given."
    )

    def validate_at(self, at: datetime) -> datetime:
        if at > timezone.now():
            raise serializers.ValidationError("It is later than now: give a past moment.")
        return at


class SrmSerializer(serializers.Serializer[Any]):
    counts = serializers.ListField(child=serializers.IntegerField(), help_text="Units of each arm, the control first.")
    expected_shares = serializers.ListField(child=serializers.FloatField())
    p_value = serializers.FloatField(help_text="May be looked at any day.")
    chi_square_p_value = serializers.FloatField(help_text="Of today alone: cries wolf if looked at daily.")
    mismatch = serializers.BooleanField()


class ArmFiguresSerializer(serializers.Serializer[Any]):
    arm = serializers.CharField()
    share = serializers.FloatField(help_text="Of the units, as planned: 0 to 1.")
    price_change = serializers.FloatField(help_text="Against the price in force: −0.05 is 5 % cheaper.")
    units = serializers.IntegerField(help_text="Units of randomisation that were exposed.")
    exposures = serializers.IntegerField(help_text="Of SKUs and categories: days on offer.")
    total = serializers.FloatField(help_text="Of the primary metric.")


class NaiveSerializer(serializers.Serializer[Any]):
    effect = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    p_value = serializers.FloatField(allow_null=True)
    significant = serializers.BooleanField()
    ever_significant = serializers.BooleanField(help_text="On any day: who peeked would have stopped there.")
    first_significant_day = serializers.IntegerField(allow_null=True)


class SequencePointSerializer(serializers.Serializer[Any]):
    day = serializers.IntegerField(help_text="1 is the day of the start.")
    n = serializers.FloatField(allow_null=True)
    effect = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class MetricFiguresSerializer(serializers.Serializer[Any]):
    metric = serializers.ChoiceField(choices=PriceExperiment.Metric.choices)
    n = serializers.FloatField(allow_null=True, help_text="Units, pairs or slots that were compared.")
    effect = serializers.FloatField(
        allow_null=True, help_text="A unit; of SKUs, categories and regions a unit and day."
    )
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    relative_effect = serializers.FloatField(allow_null=True, help_text="As a share of the control's metric.")
    relative_low = serializers.FloatField(allow_null=True)
    relative_high = serializers.FloatField(allow_null=True)
    control_mean = serializers.FloatField(allow_null=True)
    treatment_mean = serializers.FloatField(allow_null=True)
    p_value = serializers.FloatField(allow_null=True, help_text="Null for a Bayesian reading.")
    corrected_p_value = serializers.FloatField(allow_null=True, help_text="Over all metrics and arms (Holm).")
    probability_to_beat = serializers.FloatField(allow_null=True, help_text="That the arm is better than the control.")
    expected_loss = serializers.FloatField(allow_null=True)
    variance_reduction = serializers.FloatField(allow_null=True, help_text="What CUPED or pairs took away: 0 to 1.")
    horizon_share = serializers.FloatField(allow_null=True)
    adjusted_effect = serializers.FloatField(allow_null=True, help_text="Without the luck of stopping early.")
    adjusted_low = serializers.FloatField(allow_null=True)
    adjusted_high = serializers.FloatField(allow_null=True)
    decided_day = serializers.IntegerField(allow_null=True)
    valid_when_peeked = serializers.BooleanField()
    naive = NaiveSerializer(help_text="What a test that takes each look for the only one would have said.")
    sequence = SequencePointSerializer(many=True)


class GuardrailFiguresSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField()
    breached = serializers.BooleanField()
    harm = serializers.FloatField(allow_null=True, help_text="As a share of the control's metric; above 0 is worse.")
    least_harm = serializers.FloatField(allow_null=True, help_text="Surely at least so much.")


class ComparisonSerializer(serializers.Serializer[Any]):
    arm = serializers.CharField()
    decision = serializers.ChoiceField(choices=list(DECISIONS))
    metrics = MetricFiguresSerializer(many=True, help_text="The primary one first.")
    guardrails = GuardrailFiguresSerializer(many=True)


class ReadoutSerializer(serializers.Serializer[Any]):
    experiment = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=PriceExperiment.Status.choices)
    design = serializers.ChoiceField(choices=PriceExperiment.Design.choices)
    metric = serializers.ChoiceField(choices=PriceExperiment.Metric.choices)
    method = serializers.ChoiceField(choices=PriceExperiment.Method.choices)
    currency = serializers.CharField()
    read_at = serializers.DateTimeField()
    until = serializers.DateField(allow_null=True, help_text="The last whole day that counts.")
    day = serializers.IntegerField(help_text="Its number; 1 is the day of the start.")
    horizon_days = serializers.IntegerField(allow_null=True)
    sentence = serializers.CharField(help_text="In plain words.")
    decision = serializers.ChoiceField(choices=list(DECISIONS))
    leading_arm = serializers.CharField(allow_null=True)
    remaining_days = serializers.FloatField(allow_null=True, help_text="Null: no decision is in sight.")
    crossovers = serializers.IntegerField(help_text="Events that named another arm than their unit has.")
    without_cost = serializers.IntegerField(
        help_text="Units that are not read, nor their partners in a pair: profit is measured and they have no cost."
    )
    days_not_served = serializers.IntegerField(
        help_text="Days of a listing on which a person's price or a kill switch came before its arm; they count for it."
    )
    srm = SrmSerializer(allow_null=True)
    arms = ArmFiguresSerializer(many=True)
    comparisons = ComparisonSerializer(many=True)
