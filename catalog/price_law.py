"""When a price reduction may be announced, and from which price: Directive 98/6/EC Art. 6a, as in CJEU C-330/23.

Pure: a history, a moment and a country's rule give the answer. The *prior price* is the lowest price applied in the
window before a reduction began; an announced percentage is computed from it. It is fixed at that moment: while the
reduction lasts, the window does not move on.

The window is counted in whole calendar days in the country's time zone (Regulation 1182/71 Art. 3: the day of the event
does not count, days run from midnight to midnight), and the day of the reduction up to its moment is added, so that it
is never shorter than the Directive asks. A day of 23 or 25 hours is one day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise

DISCLOSURE = "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA"  # New York GBL § 349-a, word for word


@dataclass(frozen=True, slots=True)
class CountryRule:
    """A country's rule. ``is_law`` false: the country has none, prior prices are reported and nothing is judged.

    ``progressive``: a reduction that deepens step by step without interruption keeps the prior price of before its
    first step (Art. 6a(5), an option of national law).
    """

    name: str
    window_days: int
    zone: tzinfo
    progressive: bool = False
    is_law: bool = True


NO_RULE = CountryRule("none", 30, UTC, is_law=False)


@dataclass(frozen=True, slots=True)
class PriceBeside:
    """A price that applied to some shoppers beside the one in force, such as an experiment's arm; end None: it runs."""

    begins: datetime
    ends: datetime | None
    price: Decimal


@dataclass(frozen=True, slots=True)
class Judgement:
    """What may be said about the price in force at a moment.

    ``prior_price`` is the lowest one applied from ``window_opens`` to ``window_closes``: the moment the reduction
    began, or, where the price in force is no reduction (``is_reduced`` false), the moment asked about.
    ``reduction_may_be_announced`` is None where the country has no rule; ``announced_percent`` is rounded down, and
    None unless it may be announced. Until ``holds_until`` (None: for ever) time alone changes neither prior price nor
    answer.
    """

    prior_price: Decimal
    window_opens: datetime
    window_closes: datetime
    is_reduced: bool
    reduction_may_be_announced: bool | None
    announced_percent: int | None
    rule: str
    holds_until: datetime | None


def judge_price(
    history: Sequence[tuple[datetime, Decimal]],
    *,
    at: datetime,
    rule: CountryRule,
    price_before: Decimal | None = None,
    beside: Sequence[PriceBeside] = (),
) -> Judgement:
    """Judge the price in force at a moment.

    Of two changes at one instant the later in the sequence is in force; the earlier one was published and counts.

    Args:
        history: (moment from which a price applied, price > 0), oldest first, with the last one at or before the
            opening of the window among them; what is later than ``at`` is left out.
        at: the moment, with its time zone.
        price_before: what applied before the first change of ``history``, such as the list price; None: nothing.
        beside: prices that applied to some shoppers only. They count as applied: the lowest price is the one that
            anybody was asked.

    Raises:
        ValueError: a moment without a time zone, a history out of order, or no price at all at the moment; give
            ``price_before``.
    """
    past = _past(history, at)
    prices = [price_before, *(price for _, price in past)]
    price = prices[-1]
    if price is None:
        raise ValueError(f"no price applied at {at.isoformat()}: give the list price as price_before")
    begun = _beginning(prices, progressive=rule.progressive)
    closes = at if begun is None else past[begun][0]
    opens = window_opening(closes, rule)
    applied = _applied(past[:begun], price_before, opens) + _applied_beside(beside, opens, closes)
    prior = min(value for _, value in applied)
    announced = price < prior if rule.is_law else None
    return Judgement(
        prior_price=prior,
        window_opens=opens,
        window_closes=closes,
        is_reduced=begun is not None,
        reduction_may_be_announced=announced,
        announced_percent=reduction_percent(prior, price) if announced else None,
        rule=rule.name,
        holds_until=_rolls_on(applied, prior, rule) if begun is None else None,
    )


def window_opening(closes: datetime, rule: CountryRule) -> datetime:
    """Return the midnight, in the rule's zone, at which the window before a moment opens."""
    return _midnight(closes, rule, days=-rule.window_days)


def reduction_percent(prior: Decimal, price: Decimal) -> int:
    """Return by how many whole per cent a price is below the prior price, rounded down: never more than is true."""
    return int(((prior - price) * 100 / prior).to_integral_value(rounding=ROUND_FLOOR))


def _past(history: Sequence[tuple[datetime, Decimal]], at: datetime) -> list[tuple[datetime, Decimal]]:
    moments = [at, *(moment for moment, _ in history)]
    if any(moment.tzinfo is None for moment in moments):
        raise ValueError("moments need a time zone: 2026-11-26T12:00:00+00:00")
    if any(later < earlier for earlier, later in pairwise(moments[1:])):
        raise ValueError("history must be in the order in which prices came into force")
    return [(moment, price) for moment, price in history if moment <= at]


def _beginning(prices: Sequence[Decimal | None], *, progressive: bool) -> int | None:
    """Return the index of the change with which the running reduction began; None where the price is not reduced."""
    index = len(prices) - 1
    if not _is_reduction(prices, index):
        return None
    while progressive and _is_reduction(prices, index - 1):
        index -= 1
    return index - 1


def _is_reduction(prices: Sequence[Decimal | None], index: int) -> bool:
    """Tell whether the price at an index is below the one before it."""
    if index < 1:
        return False
    before, after = prices[index - 1], prices[index]
    return before is not None and after is not None and after < before


def _applied(
    past: Sequence[tuple[datetime, Decimal]], price_before: Decimal | None, opens: datetime
) -> list[tuple[datetime | None, Decimal]]:
    """Return the prices that applied in the window with the moments at which they ended, None: not yet."""
    first: list[tuple[datetime | None, Decimal]] = [] if price_before is None else [(None, price_before)]
    rows = [*first, *past]
    ends = [*(moment for moment, _ in rows[1:]), None]
    return [
        (end, price)
        for (begin, price), end in zip(rows, ends, strict=True)
        if end is None or end > opens or (begin is not None and begin > opens)
    ]


def _applied_beside(
    beside: Sequence[PriceBeside], opens: datetime, closes: datetime
) -> list[tuple[datetime | None, Decimal]]:
    return [
        (each.ends, each.price) for each in beside if each.begins < closes and (each.ends is None or each.ends > opens)
    ]


def _rolls_on(applied: Sequence[tuple[datetime | None, Decimal]], prior: Decimal, rule: CountryRule) -> datetime | None:
    """Return the midnight at which the lowest price has left the window; None where it is the one in force."""
    ends = [end for end, price in applied if price == prior]
    known = [end for end in ends if end is not None]
    if len(known) < len(ends):
        return None
    last = max(known)
    exactly = _midnight(last, rule, days=rule.window_days)
    return exactly if window_opening(exactly, rule) >= last else _midnight(last, rule, days=rule.window_days + 1)


def _midnight(moment: datetime, rule: CountryRule, *, days: int) -> datetime:
    day = moment.astimezone(rule.zone).date() + timedelta(days=days)
    return datetime.combine(day, time(), rule.zone)
