"""Rows of the feature store's history for tests, and what its features should be, worked out the long way."""

import math
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from optimizer.features.definitions import COUNTED, WINDOWS
from optimizer.models import ActivityIncrement, ActivityRecording

NOW = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
LONG_AGO = NOW - timedelta(days=400)


def begin_recording(channel, at=LONG_AGO):
    return ActivityRecording.objects.create(channel=channel, began_at=at)


def add_increment(listing, *, happened_at, known_at=None, **counted):
    kind = "sale" if counted.get("units") else "view"
    return ActivityIncrement.objects.create(
        kind=kind, source_id=uuid.uuid4(), listing=listing, happened_at=happened_at,
        known_at=known_at or happened_at, **counted,
    )  # fmt: skip


def expected_activity(increments, at, began_at):
    """Return the activity features by name, adding up row by row."""
    expected = {}
    for name in COUNTED:
        for window, length in WINDOWS.items():
            inside = [row for row in increments if at - length < row.happened_at <= at and row.known_at <= at]
            complete = began_at is not None and began_at <= at - length
            total = sum((Decimal(getattr(row, name)) for row in inside), Decimal(0))
            expected[f"{name}_{window}"] = float(total) if complete else math.nan
    return expected
