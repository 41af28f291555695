"""Price quotes: a price that holds until a time, signed, in a token that the shop keeps and nobody can alter.

A token is a JWT (RFC 7519) signed with HMAC-SHA256. It is the whole quote; nothing is stored. Time is passed in.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

import jwt

ALGORITHM = "HS256"
ISSUER = "pricing"
AUDIENCE = "pricing:quotes"
REQUIRED_CLAIMS = ["iss", "aud", "iat", "exp", "jti", "sku", "channel", "purpose", "price", "currency", "version"]

# The longest possible quote, a SKU of 64 characters that JSON escapes, takes some 2,000.
MAX_TOKEN_LENGTH = 4096
# PyJWT forgives padding; here a quote has one spelling only. An HMAC-SHA256 has 43 characters.
TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{43}", re.ASCII)
PRICE = re.compile(r"[0-9]{1,10}(\.[0-9]{1,4})?")
# No spaces: neither a PEM file nor the blank after a comma passes for a secret.
SECRET = re.compile(r"[!-~]{32,}")


class Purpose(StrEnum):
    """What a price is held for."""

    PAGE = "page"
    CART = "cart"


class TamperedQuote(ValueError):
    """This text is not a quote that one of our keys signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A price that holds from ``issued_at`` until just before ``expires_at``, both in UTC and whole seconds."""

    quote_id: str
    sku: str
    channel: str
    region: str | None
    purpose: Purpose
    price: Decimal
    currency: str
    version: int
    decision_id: str | None
    issued_at: datetime
    expires_at: datetime

    def holds_at(self, now: datetime) -> bool:
        """Tell whether the price is still promised; no leeway, so that the time shown is the time meant."""
        return now < self.expires_at

    def price_to_charge(self, current: Decimal, now: datetime) -> Decimal:
        """Return the lower of quoted and current price while the quote holds, then the current one.

        A fall passes on, a rise does not. Both are amounts in ``currency``.
        """
        return min(self.price, current) if self.holds_at(now) else current


@dataclass(frozen=True)
class QuoteKeys:
    """Secrets that sign quotes: the first one signs, all verify.

    A key's id follows from the key, so rotating is putting a new secret first, and dropping the old one when the last
    quote that it signed has expired. Raises ValueError, with the cure, where a secret is too short or none is given.
    """

    secrets: tuple[str, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.secrets:
            raise ValueError("give at least one secret.")
        for number, secret in enumerate(self.secrets, 1):
            if not SECRET.fullmatch(secret):
                raise ValueError(f"secret {number} must be 32 or more printable ASCII characters without spaces.")

    @cached_property
    def by_id(self) -> dict[str, str]:
        return {key_id(secret): secret for secret in self.secrets}


def key_id(secret: str) -> str:
    """Return the name by which a token tells its key: 64 bits of the secret's SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def sign_quote(quote: Quote, keys: QuoteKeys) -> str:
    """Return the token of a quote: ASCII letters, digits, ``-``, ``_`` and two dots, some 500 characters."""
    secret = keys.secrets[0]
    return jwt.encode(_claims(quote), secret, algorithm=ALGORITHM, headers={"kid": key_id(secret)})


def read_quote(token: str, keys: QuoteKeys) -> Quote:
    """Return the quote that one of our keys signed, expired or not; nothing in it is believed before that is known.

    Raises TamperedQuote for any other text: altered, cut off, too long, another algorithm, a key that was dropped,
    claims missing or of a wrong type.
    """
    if len(token) > MAX_TOKEN_LENGTH or not TOKEN.fullmatch(token):
        raise TamperedQuote("this text is not a token.")
    try:
        secret = keys.by_id[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            # Times are compared by the caller, with its own clock; PyJWT would read the system's.
            options={
                "require": REQUIRED_CLAIMS, "strict_aud": True,
                "verify_exp": False, "verify_iat": False, "verify_nbf": False,
            },
        )  # fmt: skip
    except KeyError:
        raise TamperedQuote("no key of ours has signed this token.") from None
    except jwt.PyJWTError as error:
        raise TamperedQuote(str(error)) from error
    return _quote(claims)


def _claims(quote: Quote) -> dict[str, Any]:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": int(quote.issued_at.timestamp()),
        "exp": int(quote.expires_at.timestamp()),
        "jti": quote.quote_id,
        "sku": quote.sku,
        "channel": quote.channel,
        "region": quote.region,
        "purpose": quote.purpose.value,
        "price": f"{quote.price:f}",
        "currency": quote.currency,
        "version": quote.version,
        "decision_id": quote.decision_id,
    }
    return {name: value for name, value in claims.items() if value is not None}


def _quote(claims: Mapping[str, Any]) -> Quote:
    """Translate signed claims; a key's holder may still have signed something else."""
    try:
        return Quote(
            quote_id=_text(claims["jti"]),
            sku=_text(claims["sku"]),
            channel=_text(claims["channel"]),
            region=_optional_text(claims.get("region")),
            purpose=Purpose(_text(claims["purpose"])),
            price=_price(claims["price"]),
            currency=_text(claims["currency"]),
            version=_whole(claims["version"]),
            decision_id=_optional_text(claims.get("decision_id")),
            issued_at=_time(claims["iat"]),
            expires_at=_time(claims["exp"]),
        )
    except ValueError as error:
        raise TamperedQuote(f"a signed claim is wrong: {error}") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _price(value: object) -> Decimal:
    text = _text(value)
    if not PRICE.fullmatch(text) or (price := Decimal(text)) <= 0:
        raise ValueError(f"{text!r} is no price")
    return price


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no whole number")
    return value


def _time(value: object) -> datetime:
    try:
        return datetime.fromtimestamp(_whole(value), UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{value!r} is no time") from error
