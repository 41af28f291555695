"""Times as people write them, in a time zone of theirs, turned into moments."""

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones


class TimeError(ValueError):
    """A text is no moment; the message says why and what to write instead."""


@cache  # it walks through hundreds of files
def time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def time_zone_named(name: str) -> ZoneInfo:
    """Return the zone of an IANA name, or raise TimeError."""
    if name not in time_zones():
        raise TimeError(f"{name!r} is no time zone: give an IANA name, such as Europe/London or UTC.")
    return ZoneInfo(name)


def moment_of(text: str, *, time_zone: str = "") -> datetime:
    """Read an ISO 8601 time: with an offset as it is, without one as the clock of ``time_zone`` shows it; return UTC.

    Raises:
        TimeError: it cannot be read, says neither offset nor zone, or the zone's clock never or twice shows it.
    """
    try:
        written = datetime.fromisoformat(text.strip())
    except ValueError:
        raise TimeError(f"{text!r} is no time: write it like 2026-12-01 09:00 or 2026-12-01T09:00+01:00.") from None
    if written.tzinfo is not None:
        return written.astimezone(UTC)
    if not time_zone:
        raise TimeError(f"{text!r} says no time zone: give one, such as Europe/London, or add an offset like +01:00.")
    return _moment_on_clock(written, time_zone_named(time_zone))


def _moment_on_clock(written: datetime, zone: ZoneInfo) -> datetime:
    first, second = (written.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first.astimezone(UTC)
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != written:
        # Read with the offset before the gap, it is a time after it: what the clock shows instead.
        shown = first.astimezone(UTC).astimezone(zone)
        raise TimeError(
            f"{written:%Y-%m-%d %H:%M} does not exist in {zone.key}: clocks are put forward then. "
            f"Write {shown:%Y-%m-%d %H:%M} or later, or a time before the change."
        )
    offers = " or ".join(
        f"{each.isoformat(timespec='minutes')} for the {name}" for each, name in ((first, "first"), (second, "second"))
    )
    raise TimeError(f"{written:%Y-%m-%d %H:%M} comes twice in {zone.key}: clocks are put back then. Write {offers}.")
