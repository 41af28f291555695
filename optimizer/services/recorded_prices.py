"""What the chunks of a run recorded, as the engine's inputs; and another price in its place."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from django.db.models import QuerySet

from catalog.copying import copy_changes
from catalog.guardrails import GuardrailBatch, Guardrails, Ints, int_column
from catalog.models import Listing
from catalog.models.listing import HELD_SOURCES
from catalog.money import amount_text, from_ticks
from optimizer.engine import PricingInputs
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


def recorded_rows(rows: QuerySet[Recommendation]) -> list[Recommendation]:
    """Return the recommendations whose inputs were recorded, in the order of their listings."""
    return [row for row in rows.order_by("listing") if row.explanation.get("replay")]


def is_held(listing: Listing) -> bool:
    """Tell whether the gate would refuse an automatic price: the others are then solved around the one in force."""
    return listing.price_source in HELD_SOURCES or listing.markdown_until is not None


def recorded_inputs(rows: Sequence[Recommendation]) -> PricingInputs:
    """Return the engine's inputs as the chunks recorded them."""
    recorded = [row.explanation["replay"] for row in rows]

    def whole(name: str) -> Ints:
        return int_column([each.get(name) for each in recorded])  # older explanations lack the limits of a day

    def real(name: str) -> Any:
        return np.array([each[name] for each in recorded], dtype=np.float64)

    return PricingInputs(
        current_ticks=whole("current_price_ticks"),
        cost_units=whole("cost_units"),
        demand=real("demand"),
        elasticity_mean=real("elasticity_mean"),
        elasticity_sd=real("elasticity_sd"),
        log_demand_sd=real("log_demand_sd"),
        inventory=whole("inventory"),
        competitor_ticks=whole("competitor_price_ticks"),
        day_start_ticks=whole("day_start_ticks"),
        changes_today=whole("changes_today"),
        guardrails=GuardrailBatch.from_rows([Guardrails.from_dict(each["guardrails"]) for each in recorded]),
    )


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
        return amount_text(from_ticks(round(value), exponent), exponent)

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
