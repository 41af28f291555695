"""What shops say of price experiments, from bytes to events."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from experiments.models import ExperimentEvent
from experiments.services.record_experiment_events import UnitEvent
from experiments.services.record_experiment_reports import Report
from streaming.messages import Message, moment_of, read_message
from streaming.topics import Topic

Kind = ExperimentEvent.Kind


def parse_report(message: Message) -> Report:
    """Raises PoisonError."""
    return read_message(message, _exposure if message.topic is Topic.EXPERIMENT_EXPOSURES else _outcome)


def _exposure(fields: Mapping[str, Any]) -> Report:
    covariate = fields.get("covariate")
    event = UnitEvent(
        **_common(fields, Kind.EXPOSURE),
        exposures=1,
        covariate=None if covariate is None else Decimal(covariate),
    )
    return Report(fields["experiment"], event)


def _outcome(fields: Mapping[str, Any]) -> Report:
    profit = fields.get("profit")
    event = UnitEvent(
        **_common(fields, Kind.OUTCOME),
        orders=int(fields["orders"]),
        units=int(fields["units"]),
        revenue=Decimal(fields["revenue"]),
        profit=None if profit is None else Decimal(profit),
    )
    return Report(fields["experiment"], event, fields["currency"])


def _common(fields: Mapping[str, Any], kind: ExperimentEvent.Kind) -> dict[str, Any]:
    return {
        "kind": kind,
        "event_id": fields["event_id"],
        "unit": fields.get("unit", ""),
        "arm": fields["arm"],
        "occurred_at": moment_of(fields["occurred_at"]),
    }
