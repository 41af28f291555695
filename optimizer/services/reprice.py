"""Another price in the place of the one that a chunk recommended."""

from collections.abc import Iterable, Mapping
from typing import Final

from catalog.copying import copy_changes
from catalog.money import from_ticks, ticks_text
from optimizer.models import Recommendation

MONEY_COLUMNS: Final = {
    "expected_revenue": "expected_revenue",
    "expected_profit": "expected_profit",
    "profit_p05": "profit_low",
    "profit_p95": "profit_high",
    "profit_change_mean": "profit_change_mean",
    "profit_change_sd": "profit_change_sd",
}
WRITTEN: Final = ["price", "binding_rule", "explanation", "expected_demand", "probability_better", *MONEY_COLUMNS]


def reprice(
    row: Recommendation, *, rule: str, ticks: int, before: int, expected: Mapping[str, float], exponent: int
) -> None:
    """Give a recommendation another price, with what is expected of it and one more step in its explanation.

    Args:
        row: changed in place; `store_repriced` stores it.
        rule: what decided the new price.
        ticks, before: the new price and the one that it replaces, minor units.
        expected: a row of the columns of `PricingResult`, at the new price.
        exponent: of the currency.
    """

    def amount(value: float) -> str:
        return ticks_text(round(value), exponent)

    row.price, row.binding_rule = from_ticks(ticks, exponent), rule
    row.expected_demand, row.probability_better = expected["expected_demand"], expected["probability_better"]
    for name, column in MONEY_COLUMNS.items():
        setattr(row, name, expected[column] * 10.0**-exponent)
    explanation = row.explanation
    step = {"rule": rule, "before": amount(before), "after": amount(ticks)}
    explanation["clamps"] = [*explanation["clamps"], step]
    explanation["replay"]["price_ticks"] = ticks
    explanation["expected"] = {
        "demand": expected["expected_demand"],
        "revenue": amount(expected["expected_revenue"]),
        "profit": amount(expected["expected_profit"]),
        "profit_90_percent": [amount(expected["profit_low"]), amount(expected["profit_high"])],
        "profit_change": amount(expected["profit_change_mean"]),
        "probability_better": expected["probability_better"],
    }


def store_repriced(rows: Iterable[Recommendation]) -> None:
    """Store what `reprice` changed."""
    copy_changes(list(rows), WRITTEN)
