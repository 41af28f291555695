"""What somebody asks for who schedules an override or a promotion, read from the texts of a form, a file or a call."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation

from catalog.local_times import TimeError, moment_of, time_zone_named
from catalog.models import Channel
from catalog.models.price_override import OverrideKind
from catalog.money import from_ticks, to_ticks

FIELDS = ("sku", "price", "starts_at", "ends_at", "time_zone", "kind", "reason")
REASON_LENGTH = 200
NUL = "\x00"  # Postgres text cannot hold it


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field, and the cure."""

    field: str
    message: str


class OverrideRefused(ValueError):
    """A request cannot be scheduled; ``errors`` names each field with the cure."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = errors


@dataclass(frozen=True)
class OverrideRequest:
    """A price of a SKU from ``starts_at`` (None: at once) to ``ends_at`` (None: open), both in UTC."""

    sku: str
    price: Decimal
    reason: str
    kind: OverrideKind = OverrideKind.OVERRIDE
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    time_zone: str = "UTC"
    idempotency_key: str = ""

    def asked_once(self, *, now: datetime) -> "OverrideRequest":
        """Return the request with a key of its content: the same row of a file, read again, is the same request.

        A row without a start means the day on which it is read.
        """
        start = self.starts_at.isoformat() if self.starts_at else f"at once on {now.date()}"
        end = self.ends_at.isoformat() if self.ends_at else ""
        content = "\x1f".join([self.sku, self.kind, f"{self.price.normalize():f}", start, end, self.reason])
        return replace(self, idempotency_key=f"row:{hashlib.sha256(content.encode()).hexdigest()}")


@dataclass
class _Reading:
    """The texts of one request and what was found wrong with them."""

    texts: Mapping[str, str]
    errors: list[FieldError] = field(default_factory=list)

    def text(self, name: str) -> str:
        return (self.texts.get(name) or "").strip()

    def wrong(self, name: str, message: str) -> None:
        self.errors.append(FieldError(name, message))


def read_request(texts: Mapping[str, str], *, channel: Channel) -> OverrideRequest:
    """Read the texts of `FIELDS`; those that are absent count as empty.

    Raises:
        OverrideRefused: with all fields that cannot be read.
    """
    reading = _Reading(texts)
    price, kind = _price(reading, channel), _kind(reading)
    zone = _zone(reading)
    starts_at, ends_at = (_moment(reading, name, zone) for name in ("starts_at", "ends_at"))
    sku, reason = _required(reading, "sku", 64), _required(reading, "reason", REASON_LENGTH)
    if reading.errors:
        raise OverrideRefused(reading.errors)
    return OverrideRequest(
        sku=sku, price=price, reason=reason, kind=kind, starts_at=starts_at, ends_at=ends_at, time_zone=zone or "UTC"
    )


def _required(reading: _Reading, name: str, longest: int) -> str:
    text = reading.text(name)
    if not text:
        reading.wrong(name, "Empty: give the SKU." if name == "sku" else "Empty: say why, for those who ask later.")
    elif len(text) > longest or NUL in text:
        reading.wrong(name, f"Too long: give at most {longest} characters." if NUL not in text else "Not a text.")
    return text


def _price(reading: _Reading, channel: Channel) -> Decimal:
    text = reading.text("price")
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or not 0 < price < 10**9:
        reading.wrong("price", f"{text!r} is no price: give an amount above 0, such as 9.99.")
    elif price != from_ticks(to_ticks(price, channel.currency_exponent), channel.currency_exponent):
        reading.wrong("price", f"{channel.currency} has {channel.currency_exponent} decimals: round the price to them.")
    return price


def _kind(reading: _Reading) -> OverrideKind:
    text = reading.text("kind").lower() or OverrideKind.OVERRIDE.value
    if text not in OverrideKind.values:
        reading.wrong("kind", f"{text!r} is no kind: write {' or '.join(OverrideKind.values)}.")
        return OverrideKind.OVERRIDE
    return OverrideKind(text)


def _zone(reading: _Reading) -> str:
    name = reading.text("time_zone")
    if name:
        try:
            time_zone_named(name)
        except TimeError as error:
            reading.wrong("time_zone", str(error))
            return "UTC"
    return name


def _moment(reading: _Reading, name: str, zone: str) -> datetime | None:
    text = reading.text(name)
    if not text:
        return None
    try:
        return moment_of(text, time_zone=zone)
    except TimeError as error:
        reading.wrong(name, str(error))
        return None
