"""What the endpoints of training take and show."""

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from rest_framework import serializers

from catalog.sku_week_file import SkuWeeks
from optimizer.api.simulation_serializers import Strict
from optimizer.models import ElasticityFit, ForecastStep, TrainingJob
from optimizer.services.open_training import MOST_MINUTES, MOST_SEED, NETWORKS

MAX_INSTRUMENTS = 8
MAX_ROWS = 20_000
LARGEST = 1e300
SKU = serializers.CharField(max_length=64)
KINDS_OF_FIELD = {
    "method": {TrainingJob.Kind.FIT},
    "causal_prior": {TrainingJob.Kind.FIT},
    "other_channels": {TrainingJob.Kind.CAUSAL},
    "instruments": {TrainingJob.Kind.CAUSAL},
    "step": {TrainingJob.Kind.FORECAST},
    "network": {TrainingJob.Kind.FORECAST},
    "minutes": {TrainingJob.Kind.FORECAST, TrainingJob.Kind.POLICY},
    "seed": {TrainingJob.Kind.FORECAST, TrainingJob.Kind.POLICY},
    "offline": {TrainingJob.Kind.POLICY},
}


class InstrumentsSerializer(Strict):
    names = serializers.ListField(
        child=serializers.CharField(max_length=64), min_length=1, max_length=MAX_INSTRUMENTS, help_text="Such as cost."
    )
    rows = serializers.ListField(
        child=serializers.ListField(child=serializers.JSONField()),
        min_length=1,
        max_length=MAX_ROWS,
        help_text="SKU, a day of the week such as 2011-01-03, and a number for each name.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(set(attrs["names"])) < len(attrs["names"]):
            raise serializers.ValidationError({"names": ["Name each instrument once."]})
        values: dict[tuple[str, date], list[float]] = {}
        for number, row in enumerate(attrs["rows"]):
            key, numbers = _read(number, row, len(attrs["names"]))
            if key in values:
                _refuse(number, f"gives SKU {key[0]} and the week of {key[1]} again")
            values[key] = numbers
        return {"values": SkuWeeks(tuple(attrs["names"]), values)}


def _read(number: int, row: list[Any], names: int) -> tuple[tuple[str, date], list[float]]:
    if len(row) != names + 2:
        _refuse(number, f"is not a SKU, a day, and {names} numbers")
    try:
        sku = SKU.run_validation(row[0])
    except serializers.ValidationError:
        _refuse(number, "has no SKU at its beginning")
    try:
        day = date.fromisoformat(row[1])
    except (TypeError, ValueError):
        _refuse(number, f"has {str(row[1])[:40]!r} for a day; give one such as 2011-01-03")
    numbers = [each for each in row[2:] if isinstance(each, (int, float)) and not isinstance(each, bool)]
    if len(numbers) < names or not all(abs(each) < LARGEST for each in numbers):
        _refuse(number, "has a value that is no number; leave out rows without one")
    return (sku, day - timedelta(days=day.weekday())), [float(each) for each in numbers]


def _refuse(number: int, words: str) -> Any:
    raise serializers.ValidationError({"rows": [f"Row {number} {words}."]})


class OpenTrainingSerializer(Strict):
    kind = serializers.ChoiceField(choices=TrainingJob.Kind.choices, default=TrainingJob.Kind.FIT)
    channel = serializers.SlugField(required=False, help_text="Defaults to the shop's default channel.")
    method = serializers.ChoiceField(
        choices=ElasticityFit.Method.choices, required=False, help_text="Of a fit; defaults to the live model's."
    )
    causal_prior = serializers.BooleanField(
        default=False, help_text="Begin a hierarchical fit with the newest causal estimate by instruments."
    )
    other_channels = serializers.BooleanField(
        default=False, help_text="Of a causal estimate: the price in other channels is an instrument."
    )
    instruments = InstrumentsSerializer(required=False, help_text="Of a causal estimate.")
    step = serializers.ChoiceField(
        choices=ForecastStep.choices, required=False, help_text="Of a forecaster; defaults to day."
    )
    network = serializers.ChoiceField(
        choices=NETWORKS, required=False, help_text=f"Of a forecaster; defaults to {NETWORKS[0]}."
    )
    minutes = serializers.FloatField(
        min_value=0.01, max_value=MOST_MINUTES, required=False, help_text="That a network may learn for at most."
    )
    seed = serializers.IntegerField(
        min_value=0, max_value=MOST_SEED, required=False, help_text="Of a network; defaults to 0."
    )
    offline = serializers.BooleanField(
        required=False, help_text="Of a policy: learn from what markdown plans decided alone."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name, kinds in KINDS_OF_FIELD.items():
            if attrs.get(name) and attrs["kind"] not in kinds:
                raise serializers.ValidationError({name: [f"A job of kind {attrs['kind']} has none: leave it out."]})
        return {"channel": settings.DEFAULT_CHANNEL, **attrs}


class TrainingJobSerializer(serializers.ModelSerializer[TrainingJob]):
    channel = serializers.CharField(source="channel.code")
    model = serializers.IntegerField(source="fit_id", allow_null=True, help_text="What a fit learned: see models/{id}.")
    forecaster = serializers.IntegerField(
        source="forecaster.pk", default=None, allow_null=True, help_text="What a job of kind forecast learned."
    )
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    steps = serializers.IntegerField()

    class Meta:
        model = TrainingJob
        fields = [
            "id", "kind", "channel", "status", "step", "steps_done", "steps", "attempts", "model", "forecaster",
            "result", "error", "created_at", "created_by", "finished_at",
        ]  # fmt: skip
