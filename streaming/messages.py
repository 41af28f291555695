"""Bytes to typed messages and back; what does not fit its schema is refused with a reason."""

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from fastjsonschema import JsonSchemaValueException

from experiments.services.decide_prices import DecidedPrice, DemandEvent
from experiments.services.record_outcomes import Outcome
from experiments.services.streams import Envelope, Unusable
from streaming.topics import SCHEMA_VERSION, Topic

M = TypeVar("M")

# A broker takes messages of 1 MB by default; the whole payload is in the database.
DEAD_LETTER_BYTES = 65_536
DETAIL_CHARACTERS = 500


@dataclass(frozen=True)
class Message:
    """A message as it was read."""

    topic: Topic
    partition: int
    offset: int
    value: bytes
    replay_of: int | None = None

    def unusable(self, reason: str, detail: str = "") -> Unusable:
        detail = detail[:DETAIL_CHARACTERS]
        return Unusable(self.topic, self.partition, self.offset, reason, detail, self.value, self.replay_of)


class PoisonError(Exception):
    """A message that can never be used: ``reason`` is ``not_json`` or ``invalid``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def parse_demand_event(message: Message) -> DemandEvent:
    """Raises PoisonError."""
    return read_message(message, _demand_event)


def parse_outcome(message: Message) -> Outcome:
    """Raises PoisonError."""
    return read_message(message, _outcome)


def _demand_event(fields: Mapping[str, Any]) -> DemandEvent:
    return DemandEvent(
        event_id=uuid.UUID(fields["event_id"]),
        channel=fields["channel"],
        sku=fields["sku"],
        location=fields["location"],
        demand=int(fields["demand"]),
        supply=int(fields["supply"]),
        occurred_at=moment_of(fields["occurred_at"]),
    )


def _outcome(fields: Mapping[str, Any]) -> Outcome:
    return Outcome(
        decision_id=uuid.UUID(fields["decision_id"]),
        purchased=fields["outcome"] == "purchased",
        occurred_at=moment_of(fields["occurred_at"]),
    )


def moment_of(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    moment.astimezone()  # refuses what the database's clock cannot hold, such as the year 0001 east of Greenwich
    return moment


def read_message(message: Message, build: Callable[[Mapping[str, Any]], M]) -> M:
    try:
        fields = json.loads(message.value)
    except (ValueError, RecursionError) as error:
        raise PoisonError("not_json", str(error)) from error
    try:
        message.topic.validate(fields)
        return build(fields)
    except JsonSchemaValueException as error:
        raise PoisonError("invalid", error.message.replace("data", "$", 1)) from error
    except (ValueError, OverflowError) as error:
        raise PoisonError("invalid", str(error)) from error


def demand_message(event: Mapping[str, Any], now: datetime) -> Envelope:
    """A simulated event, which happens now."""
    key = context_key(channel=event["channel"], sku=event["sku"], location=event["location"])
    payload = {**event, "occurred_at": now.isoformat()}
    return Envelope(Topic.DEMAND_EVENTS, key, json.dumps(payload).encode())


def decision_message(decided: DecidedPrice) -> Envelope:
    payload = {
        "schema_version": SCHEMA_VERSION,
        "decision_id": str(decided.decision_id),
        "event_id": str(decided.event.event_id),
        "decided_at": decided.decided_at.isoformat(),
        "outcome_due_at": decided.outcome_due_at.isoformat(),
        "channel": decided.event.channel,
        "sku": decided.event.sku,
        "location": decided.event.location,
        "intensity": decided.intensity,
        "price": decided.price,
        "list_price": decided.list_price,
        "currency": decided.currency,
        "propensity": decided.propensity,
    }
    event = decided.event
    key = context_key(channel=event.channel, sku=event.sku, location=event.location)
    return Envelope(Topic.PRICING_DECISIONS, key, json.dumps(payload).encode())


def outcome_message(outcome: Outcome, *, channel: str, sku: str, location: str) -> Envelope:
    """The event's id follows from the outcome: the same outcome sent twice is the same message."""
    kind = "purchased" if outcome.purchased else "rejected"
    payload = {
        "schema_version": SCHEMA_VERSION,
        "event_id": str(uuid.uuid5(outcome.decision_id, kind)),
        "decision_id": str(outcome.decision_id),
        "outcome": kind,
        "occurred_at": outcome.occurred_at.isoformat(),
    }
    key = context_key(channel=channel, sku=sku, location=location)
    return Envelope(Topic.PRICING_OUTCOMES, key, json.dumps(payload).encode())


def dead_letter_message(letter: Unusable, now: datetime) -> Envelope:
    payload = {
        "schema_version": SCHEMA_VERSION,
        "topic": str(letter.topic),
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": letter.reason,
        "detail": letter.detail.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0"),
        "payload_base64": base64.b64encode(letter.payload[:DEAD_LETTER_BYTES]).decode(),
        "truncated": len(letter.payload) > DEAD_LETTER_BYTES,
        "failed_at": now.isoformat(),
    }
    return Envelope(Topic.DEAD_LETTERS, f"{letter.topic}:{letter.partition}", json.dumps(payload).encode())


def context_key(*, channel: str, sku: str, location: str) -> str:
    """Return the key that keeps all that concerns a listing at a location in one partition, in order."""
    return f"{channel}:{sku}:{location}"
