"""Quote prices and say what a quote is worth now. Nothing is written: the token is the quote."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import uuid4

from django.conf import settings
from django.utils.crypto import salted_hmac

from catalog.gateway import served_prices
from catalog.price_cache import ServedRecord
from catalog.quotes import Purpose, Quote, QuoteKeys, TamperedQuote, read_quote, sign_quote


class QuoteStatus(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    TAMPERED = "tampered"


class NoPrice(StrEnum):
    """Why a readable quote leads to no price."""

    NOT_SOLD = "not_sold"
    CURRENCY_CHANGED = "currency_changed"


@dataclass(frozen=True, slots=True)
class IssuedQuote:
    quote: Quote
    token: str


@dataclass(frozen=True, slots=True)
class VerifiedQuote:
    """What a token is worth: ``price`` is what to charge, in ``currency``; None where there is nothing to charge."""

    status: QuoteStatus
    reason: NoPrice | None = None
    price: Decimal | None = None
    currency: str | None = None
    quoted: Quote | None = None
    current: ServedRecord | None = None


def issue_quotes(
    *,
    channel: str,
    skus: Sequence[str],
    purpose: Purpose,
    now: datetime,
    region: str | None = None,
    page_tokens: Sequence[str] = (),
) -> dict[str, IssuedQuote]:
    """Return a quote of the price in force for each known SKU; unknown SKUs are absent.

    ``page_tokens`` are quotes that the shopper was shown: what goes into the cart costs no more than on the page. Only
    page quotes that still hold count, so that a price cannot be held for ever by quoting it again.
    """
    keys = quote_keys()
    shown = _lowest_held(_readable(page_tokens, keys), now)
    quotes = {
        sku: _at_most(_quote_of(record, purpose=purpose, region=region, now=now), shown.get((channel, region, sku)))
        for sku, record in _current_prices(channel=channel, region=region, skus=skus).items()
    }
    return {sku: IssuedQuote(quote, sign_quote(quote, keys)) for sku, quote in quotes.items()}


def verify_quotes(*, tokens: Sequence[str], now: datetime) -> list[VerifiedQuote]:
    """Return what each token is worth, in the order given; one look-up for each channel and region among them."""
    keys = quote_keys()
    quotes = [_read(token, keys) for token in tokens]
    current = _current_prices_of([quote for quote in quotes if quote is not None])
    return [
        VerifiedQuote(QuoteStatus.TAMPERED) if quote is None else _verified(quote, current.get(_offer(quote)), now)
        for quote in quotes
    ]


def quote_keys() -> QuoteKeys:
    """Return the deployment's keys: its own, or ones that follow from Django's secrets and serve nothing else."""
    if settings.QUOTE_SIGNING_KEYS:
        return QuoteKeys(tuple(settings.QUOTE_SIGNING_KEYS))
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return QuoteKeys(
        tuple(
            salted_hmac("catalog.quotes", "signing key", secret=secret, algorithm="sha256").hexdigest()
            for secret in secrets
        )
    )


def _quote_of(record: ServedRecord, *, purpose: Purpose, region: str | None, now: datetime) -> Quote:
    issued_at = now.astimezone(UTC).replace(microsecond=0)
    return Quote(
        quote_id=uuid4().hex,
        sku=record["sku"],
        channel=record["channel"],
        region=region,
        purpose=purpose,
        price=Decimal(record["price"]),
        currency=record["currency"],
        version=record["version"],
        decision_id=record["decision_id"],
        issued_at=issued_at,
        expires_at=issued_at + timedelta(seconds=_lifetime_seconds(purpose)),
    )


def _lifetime_seconds(purpose: Purpose) -> int:
    return {Purpose.PAGE: settings.QUOTE_PAGE_SECONDS, Purpose.CART: settings.QUOTE_CART_SECONDS}[purpose]


def _lowest_held(quotes: Iterable[Quote], now: datetime) -> dict[tuple[str, str | None, str], Quote]:
    held: dict[tuple[str, str | None, str], Quote] = {}
    for quote in quotes:
        known = held.get(_offer(quote))
        if quote.purpose == Purpose.PAGE and quote.holds_at(now) and (known is None or quote.price < known.price):
            held[_offer(quote)] = quote
    return held


def _at_most(quote: Quote, shown: Quote | None) -> Quote:
    """Return the quote at the price that was shown, where that is lower; with its version, so that it is explained."""
    if shown is None or shown.currency != quote.currency or shown.price >= quote.price:
        return quote
    return replace(quote, price=shown.price, version=shown.version, decision_id=shown.decision_id)


def _verified(quote: Quote, current: ServedRecord | None, now: datetime) -> VerifiedQuote:
    holds = quote.holds_at(now)
    status = QuoteStatus.VALID if holds else QuoteStatus.EXPIRED
    if current is None:
        return VerifiedQuote(status, NoPrice.NOT_SOLD, quoted=quote)
    if holds and current["currency"] != quote.currency:
        return VerifiedQuote(status, NoPrice.CURRENCY_CHANGED, quoted=quote, current=current)
    price = quote.price_to_charge(Decimal(current["price"]), now)
    return VerifiedQuote(status, price=price, currency=current["currency"], quoted=quote, current=current)


def _read(token: str, keys: QuoteKeys) -> Quote | None:
    try:
        return read_quote(token, keys)
    except TamperedQuote:
        return None


def _readable(tokens: Iterable[str], keys: QuoteKeys) -> list[Quote]:
    return [quote for token in tokens if (quote := _read(token, keys)) is not None]


def _offer(quote: Quote) -> tuple[str, str | None, str]:
    return quote.channel, quote.region, quote.sku


def _current_prices_of(quotes: Iterable[Quote]) -> dict[tuple[str, str | None, str], ServedRecord]:
    skus = defaultdict(set)
    for quote in quotes:
        skus[quote.channel, quote.region].add(quote.sku)
    return {
        (channel, region, sku): record
        for (channel, region), wanted in skus.items()
        for sku, record in _current_prices(channel=channel, region=region, skus=sorted(wanted)).items()
    }


def _current_prices(*, channel: str, region: str | None, skus: Sequence[str]) -> dict[str, ServedRecord]:
    return served_prices(channel=channel, skus=skus, region=region)
