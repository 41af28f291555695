"""Why a price is what it is, in one sentence for people."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from catalog.admin.formatting import NOTHING, as_decimal, money
from catalog.models import Channel, PriceChange
from catalog.models.listing import PriceSource
from catalog.plain_words import RULE_WORDS, rule_words

LIST_PRICE = "The shop's list price"

BEST_AT = {"profit": "profit is highest at", "revenue": "revenue is highest at", "market_share": "most units sell at"}
NO_BEST = {
    "profit": "profit would go on rising with the price",
    "revenue": "revenue has no highest point",
    "market_share": "more would sell the lower the price",
}


def short_rule(rule: str) -> str:
    """Name a binding rule in a table's cell."""
    if rule in {"", "unpriced"}:
        return NOTHING
    return "none" if rule == "own_optimum" else rule_words(rule).removeprefix("the ")


def change_in_words(change: PriceChange | None, channel: Channel) -> str:
    """Explain the price in force from its ledger row; None means that nothing was published yet."""
    words = _decided_in_words(change, channel)
    if change is None or change.approved_by is None:
        return words
    return f"{words}; approved by {change.approved_by.get_username()}"


def _decided_in_words(change: PriceChange | None, channel: Channel) -> str:
    if change is None or change.source == PriceSource.LIST_PRICE:
        return LIST_PRICE
    if change.source == PriceSource.OPTIMIZER:
        return decision_in_words(
            change.explanation,
            price=change.price,
            previous=change.previous_price,
            rule=change.binding_rule,
            channel=channel,
        )
    who = {PriceSource.BANDIT: "the bandit", PriceSource.EXPERIMENT: "an experiment"}.get(PriceSource(change.source))
    if change.author is not None:
        who = change.author.get_username()
    verb = "Rolled back" if change.source == PriceSource.ROLLBACK else _verb(change.price, change.previous_price)
    sentence = f"{verb} to {money(change.price, channel)}" + (f" by {who}" if who else "")
    return f"{sentence}: {change.reason}" if change.reason else sentence


def decision_in_words(
    explanation: Mapping[str, Any], *, price: Decimal, previous: Decimal | None, rule: str, channel: Channel
) -> str:
    """Explain an optimised price: "Raised to £2.95: profit is highest at £3.05, held back by the maximum change"."""
    moved = f"{_verb(price, previous)} {'at' if price == previous else 'to'} {money(price, channel)}"
    objective = str(explanation.get("objective", ""))
    candidate = as_decimal(explanation.get("candidate"))
    if objective not in BEST_AT:
        return f"{moved} by the optimiser" + (f", bound by {rule_words(rule)}" if rule in RULE_WORDS else "")
    if candidate is None:
        return f"{moved}: {NO_BEST[objective]}; {rule_words(rule)} decides"
    if candidate == price:
        return f"{moved}: {BEST_AT[objective]} this price"
    best = f"{moved}: {BEST_AT[objective]} {money(candidate, channel)}"
    if rule == "price_ending":
        return f"{best}, rounded to an allowed ending"
    return f"{best}, {'held back' if _nearer(price, candidate, previous) else 'moved'} by {rule_words(rule)}"


def _verb(price: Decimal, previous: Decimal | None) -> str:
    if previous is None:
        return "Set"
    return "Kept" if price == previous else "Raised" if price > previous else "Lowered"


def _nearer(price: Decimal, candidate: Decimal, previous: Decimal | None) -> bool:
    """Tell whether a price stopped on the way from the previous one to the best one."""
    return previous is not None and min(previous, candidate) <= price <= max(previous, candidate)
