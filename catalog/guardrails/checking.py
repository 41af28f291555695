"""The publish gate's check: which hard rules a price breaks."""

import numpy as np

from .arrays import Bools, Ints, int_column, known, positive
from .facts import PriceFacts
from .intervals import hard_intervals
from .limits import GuardrailBatch, Guardrails
from .rules import Rule


def violations_batch(price: Ints, limits: GuardrailBatch, facts: PriceFacts) -> dict[Rule, Bools]:
    """Return, for each hard rule, which prices break it; the publish gate's own check.

    A ceiling below a stronger hard rule is not broken by a price at that rule. A SKU without a cost breaks
    `Rule.UNPRICED`, whatever the price; so does a price that is `MISSING`.

    Args:
        price: (sku,) int64 ticks.
        limits: one row a SKU.
        facts: one row a SKU; only the cost is read.

    Returns:
        A (sku,) bool mask under each of `HARD_RULES` and under `Rule.UNPRICED`.
    """
    unpriced = ~positive(facts.cost_units) | ~known(price)
    broken: dict[Rule, Bools] = {Rule.UNPRICED: unpriced}
    least = np.zeros(len(facts), dtype=np.int64)
    for rule, low, high in hard_intervals(limits, facts):
        broken[rule] = ~unpriced & ((price < low) | (price > np.maximum(high, least)))
        least = np.maximum(least, low)
    return broken


def violations(price: int | None, guardrails: Guardrails, *, cost_units: int | None) -> tuple[Rule, ...]:
    """Return the hard rules that one price (ticks) breaks, strongest first; empty where it may be published."""
    facts = PriceFacts.single(cost_units=cost_units, current_ticks=None)
    broken = violations_batch(int_column([price]), GuardrailBatch.from_rows([guardrails]), facts)
    return tuple(rule for rule, mask in broken.items() if mask[0])
