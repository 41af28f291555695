"""A price's reason as a sentence that a pricing manager reads."""

from collections.abc import Mapping
from typing import Any

SENTENCES = {
    "own_optimum": "expected {objective} is highest here",
    "stock_limit": "set by the stock that is left",
    "loss_floor": "held up by the cost: a lower price would lose money",
    "min_margin": "held up by the minimum margin",
    "map": "held up by the minimum advertised price",
    "floor": "held up by the floor",
    "ceiling": "held down by the ceiling",
    "max_change": "held by the largest change allowed in one step",
    "low_stock": "not lowered, because the stock is low",
    "competitor": "held by the distance to competitors' prices",
    "price_ending": "moved to the nearest allowed price ending",
    "missing_cost": "not priced: no cost is known",
    "missing_price": "not priced: no price is in force",
    "no_demand": "not priced: nothing was sold",
    "no_upper_limit": "not priced: no guardrail limits the price from above",
}


def reason_in_words(explanation: Mapping[str, Any], rule: str, currency: str) -> str:
    """Return why a price is what it is: its rule, and where the objective would have gone without guardrails."""
    objective = str(explanation.get("objective", "the objective")).replace("_", " ")
    sentence = SENTENCES.get(rule, rule.replace("_", " ")).format(objective=objective)
    candidate = explanation.get("candidate")
    if candidate is None or rule in {"own_optimum", ""}:
        return sentence
    return f"{sentence}; {objective} alone would choose {candidate} {currency}"
