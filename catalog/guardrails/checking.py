"""The publish gate's check: which hard rules a price breaks."""

import numpy as np

from .arrays import Bools, Ints, int_column, known, positive
from .facts import PriceFacts
from .intervals import hard_intervals, step_intervals
from .limits import GuardrailBatch, Guardrails
from .rules import UNBOUNDED, Rule


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


def step_violations_batch(price: Ints, limits: GuardrailBatch, facts: PriceFacts) -> dict[Rule, Bools]:
    """Return, for each step rule, which prices break it, given the hard rules; the gate's check of automatic prices.

    Where a stronger rule forces a move beyond the step, the price that gets nearest to the step breaks nothing: a rule
    is broken by a price outside the part of the band that the rule and all stronger ones leave.

    Args:
        price: (sku,) int64 ticks.
        limits: one row a SKU.
        facts: one row a SKU; stock and competitors are not read.

    Returns:
        A (sku,) bool mask under each of `STEP_RULES`, False where the SKU has no cost or no price. A price outside
        the hard rules' band may be named here as well; ask `violations_batch` first.
    """
    has_price = positive(facts.cost_units) & known(price)
    lower, upper = np.zeros(len(facts), dtype=np.int64), np.full(len(facts), UNBOUNDED, dtype=np.int64)
    for _, low, high in hard_intervals(limits, facts):
        lower, upper = _narrowed(lower, upper, low, high)
    broken: dict[Rule, Bools] = {}
    for rule, low, high in step_intervals(limits, facts):
        lower, upper = _narrowed(lower, upper, low, high)
        broken[rule] = has_price & ((price < lower) | (price > upper))
    return broken


def _narrowed(lower: Ints, upper: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Return the band's part inside a rule, or the end of the band nearest to it where they do not meet."""
    lower = np.maximum(lower, np.minimum(low, upper))
    return lower, np.minimum(upper, np.maximum(high, lower))
