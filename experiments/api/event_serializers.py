"""What shops report of an experiment. Each row is read by itself: a bad one does not take the others with it."""

from typing import Any

from rest_framework import serializers

from experiments.models import ExperimentEvent
from experiments.services.record_experiment_events import UnitEvent, Verdict

MOST_EVENTS = 5_000
MOST_COUNTED = 1_000_000
EVENT_ID = r"^[\x21-\x7e]{1,64}$"
UNIT = r"^[\x21-\x7e]{1,96}$"

Kind = ExperimentEvent.Kind


class EventSerializer(serializers.Serializer[Any]):
    event_id = serializers.RegexField(EVENT_ID, help_text="Yours; however often it is sent, it counts once.")
    unit = serializers.RegexField(
        UNIT,
        required=False,
        default="",
        help_text="The region or visitor; of a switchback nothing, a slot is its time.",
    )
    arm = serializers.SlugField(max_length=32, help_text="As the price answer named it.")
    occurred_at = serializers.DateTimeField()


class ExposureSerializer(EventSerializer):
    covariate = serializers.DecimalField(
        max_digits=18, decimal_places=4, required=False, allow_null=True, default=None,
        help_text="The metric a day that the unit brought before the experiment, if known: it sharpens the read-out.",
    )  # fmt: skip

    def event_of(self, currency: str) -> UnitEvent:
        return UnitEvent(Kind.EXPOSURE, **self.validated_data, exposures=1)


class OutcomeEventSerializer(EventSerializer):
    orders = serializers.IntegerField(
        min_value=-MOST_COUNTED, max_value=MOST_COUNTED, required=False,
        help_text="Orders that begin with this; below 0: taken back whole. Left out: 1, or 0 of a return.",
    )  # fmt: skip
    units = serializers.IntegerField(min_value=-MOST_COUNTED, max_value=MOST_COUNTED, help_text="Below 0: returned.")
    revenue = serializers.DecimalField(max_digits=14, decimal_places=4, help_text="Decimal string.")
    profit = serializers.DecimalField(
        max_digits=14, decimal_places=4, required=False, allow_null=True, default=None,
        help_text="Decimal string; needed where the experiment measures profit.",
    )  # fmt: skip
    currency = serializers.CharField(max_length=3, help_text="That of the channel.")

    def event_of(self, currency: str) -> UnitEvent:
        fields = dict(self.validated_data)
        if (given := fields.pop("currency")) != currency:
            raise serializers.ValidationError({"currency": [f"The channel sells in {currency}, not in {given}."]})
        is_return = fields["units"] < 0 or fields["revenue"] < 0
        fields.setdefault("orders", 0 if is_return else 1)
        return UnitEvent(Kind.OUTCOME, **fields)


class ExposuresRequestSerializer(serializers.Serializer[Any]):
    """For the document; rows are read one by one."""

    exposures = serializers.ListField(child=ExposureSerializer(), min_length=1, max_length=MOST_EVENTS)


class ExperimentOutcomesRequestSerializer(serializers.Serializer[Any]):
    """For the document; rows are read one by one."""

    outcomes = serializers.ListField(child=OutcomeEventSerializer(), min_length=1, max_length=MOST_EVENTS)


class RefusedEventSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text="The row, or its field, in the request: #/exposures/17/arm.")
    reason = serializers.ChoiceField(choices=["invalid", *(str(each) for each in Verdict if each.is_refusal)])
    detail = serializers.CharField(help_text="What is wrong, and the cure.")


class EventsAnswerSerializer(serializers.Serializer[Any]):
    counted = serializers.IntegerField(help_text="Rows that count now.")
    duplicate = serializers.IntegerField(help_text="Rows that counted already.")
    washout = serializers.IntegerField(
        help_text="Rows of a slot's wash-out or of a slot that the start cut, which the plan leaves out."
    )
    refused = serializers.IntegerField(help_text="Rows that count for nothing; errors names each.")
    errors = RefusedEventSerializer(many=True)  # type: ignore[assignment]
