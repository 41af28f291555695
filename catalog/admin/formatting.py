"""Amounts, rates and times as a pricing manager reads them."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from catalog.models import Channel

SIGNS = {"GBP": "£", "EUR": "€", "USD": "$", "JPY": "¥"}
NOTHING = "–"
MINUS = "−"
PERCENT = "\N{NO-BREAK SPACE}%"


def money(amount: Any, channel: Channel, *, exact: bool = False) -> str:
    """Return an amount with its currency; ``exact`` keeps the decimals below the minor unit (a cost of £0.0125)."""
    value = as_decimal(amount)
    if value is None:
        return NOTHING
    decimals = channel.currency_exponent
    if exact:
        decimals = max(decimals, -int(value.normalize().as_tuple().exponent))
    sign = SIGNS.get(channel.currency, f"{channel.currency} ")
    return f"{MINUS if value < 0 else ''}{sign}{abs(value):,.{decimals}f}"


def whole_money(amount: Any, channel: Channel) -> str:
    """Return a large amount, such as a week's revenue of a shop, without its minor units."""
    value = as_decimal(amount)
    if value is None:
        return NOTHING
    return f"{MINUS if value < 0 else ''}{SIGNS.get(channel.currency, f'{channel.currency} ')}{abs(value):,.0f}"


def in_currency(amount: Any, currency: str, *, decimals: int = 2) -> str:
    """Return an amount of a currency that no channel is known for."""
    return f"{SIGNS.get(currency, f'{currency} ')}{number(amount, decimals=decimals)}"


def as_decimal(amount: Any) -> Decimal | None:
    """Return a stored amount (a number or a decimal string) as Decimal; None where it is none."""
    try:
        value = Decimal(str(amount))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def percent(rate: Any, *, decimals: int = 1, signed: bool = False) -> str:
    """Return a fraction as a percentage, without needless zeros: 0.15 is 15 %."""
    value = as_decimal(rate)
    if value is None:
        return NOTHING
    text = f"{abs(value) * 100:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    if text == "0":
        return f"0{PERCENT}"
    return f"{MINUS if value < 0 else '+' if signed else ''}{text}{PERCENT}"


def number(value: Any, *, decimals: int = 0) -> str:
    amount = as_decimal(value)
    return NOTHING if amount is None else f"{amount:,.{decimals}f}".replace("-", MINUS)


def moment(value: Any) -> str:
    """Return a time to the minute; takes the ISO text of an explanation as well."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    if value is None:
        return NOTHING
    if isinstance(value, datetime) and timezone.is_aware(value):
        text = f"{timezone.localtime(value):%-d %b %Y, %H:%M}"
    else:
        text = f"{value:%-d %b %Y}"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def local_moment(value: datetime | None, zone: str, *, open_words: str = "open") -> str:
    """Return a time as the clock of a zone shows it."""
    if value is None:
        return open_words
    text = f"{value.astimezone(ZoneInfo(zone)):%-d %b %Y, %H:%M}"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def margin(price: Decimal, cost: Decimal | None) -> Decimal | None:
    """Return (price - cost) / price; None where the cost is unknown or nothing."""
    return None if not cost or price <= 0 else (price - cost) / price
