"""What is answered for a cached price, as bytes that need no more than the time filled in."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from catalog.arms import answer_for
from catalog.cached_values import CachedValue
from catalog.gateway.reading import etag_of

INTERNAL = ("slot_ends",)
MOMENT_LENGTH = len("2026-11-25T21:30:00Z")


def moment_text(unix_time: float) -> bytes:
    return datetime.fromtimestamp(int(unix_time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


class PriceAnswer:
    """A price as JSON: ``before``, the time until which it is valid, ``after``; in front of them the header lines."""

    __slots__ = ("after", "before", "etag", "head_and_before", "slot_ends")

    def __init__(self, answer: Mapping[str, Any]) -> None:
        shown = {name: value for name, value in answer.items() if name not in INTERNAL}
        text = json.dumps(shown, separators=(",", ":")).encode()
        self.before, self.after = text[:-1] + b',"valid_until":"', b'"}'
        self.slot_ends: int | None = answer["slot_ends"]
        self.etag = etag_of(answer).encode()
        length = len(self.before) + MOMENT_LENGTH + len(self.after)
        head = b"etag: %s\r\ncontent-length: %d\r\n\r\n" % (self.etag, length)
        self.head_and_before = head + self.before

    def valid_until(self, usual: bytes, unix_time: float, ttl: float) -> bytes:
        """Return the usual moment, or an earlier one at which another arm may be drawn."""
        if self.slot_ends is None or self.slot_ends > unix_time + ttl:
            return usual
        return moment_text(self.slot_ends)

    def body(self, valid_until: bytes) -> bytes:
        return self.before + valid_until + self.after


class PriceItem:
    """A held price. ``fixed``: its one answer, None where an arm is drawn by region or time."""

    __slots__ = ("answers", "fixed", "record", "refresh_at")

    def __init__(self, value: CachedValue) -> None:
        self.refresh_at = value.refresh_at
        record = json.loads(value.content)
        experiment = record["experiment"]
        is_fixed = experiment is None or experiment["unit"] == "sku"
        self.fixed = PriceAnswer(answer_for(record, region=None, unix_time=0)) if is_fixed else None
        self.record: dict[str, Any] = {} if is_fixed else record
        self.answers: dict[tuple[str | None, int | None], PriceAnswer] = {}

    def answer(self, region: str | None, unix_time: float) -> PriceAnswer:
        """Return what is served to a region at a time."""
        if self.fixed is not None:
            return self.fixed
        drawn = answer_for(self.record, region=region, unix_time=unix_time)
        key = (drawn["arm"], drawn["slot_ends"])
        if key not in self.answers:
            if len(self.answers) > len(self.record["experiment"]["arms"]):  # of slots that are over
                self.answers.clear()
            self.answers[key] = PriceAnswer(drawn)
        return self.answers[key]
