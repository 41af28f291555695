"""The band: the interval of prices that all the rules together allow."""

from dataclasses import dataclass

import numpy as np

from .arrays import MISSING, Bools, Codes, Ints, positive
from .facts import PriceFacts
from .intervals import intervals
from .limits import GuardrailBatch, Guardrails
from .rules import UNBOUNDED, Rule


@dataclass(frozen=True, slots=True)
class Band:
    """Hold the admissible interval of one SKU in ticks, both ends included, and the rule behind each end.

    `upper` is `UNBOUNDED` and `upper_rule` is `Rule.OWN_OPTIMUM` where nothing limits the price from above.
    """

    lower: int
    upper: int
    lower_rule: Rule
    upper_rule: Rule


@dataclass(frozen=True, slots=True)
class BandBatch:
    """Hold the admissible intervals of many SKUs.

    Args:
        lower, upper: (sku,) int64 ticks, lower ≤ upper, both included; `MISSING` where not priced.
        lower_rule, upper_rule: (sku,) int8 codes of `Rule`.
        priced: (sku,) bool; False where the cost is missing or not positive.
    """

    lower: Ints
    upper: Ints
    lower_rule: Codes
    upper_rule: Codes
    priced: Bools

    def row(self, index: int) -> Band | None:
        """Return one SKU's interval, or None where it is not priced."""
        if not self.priced[index]:
            return None
        rules = Rule(int(self.lower_rule[index])), Rule(int(self.upper_rule[index]))
        return Band(int(self.lower[index]), int(self.upper[index]), *rules)


def admissible_band(limits: GuardrailBatch, facts: PriceFacts) -> BandBatch:
    """Return the interval of prices that the rules allow, and the rule behind each end.

    Each rule is an interval. From the strongest to the weakest, the band becomes its intersection with the rule, or,
    where they do not meet, the one end of the band nearest to the rule (then both ends carry the stronger rule).
    Equal limits carry the name of the weaker rule, as long as the band is wider than one tick.

    Args:
        limits: one row a SKU.
        facts: one row a SKU, in the same order.

    Returns:
        A band with lower ≤ upper for every SKU that has a cost.

    Raises:
        ValueError: the two have different lengths; build both from the same SKUs.
    """
    if len(limits) != len(facts):
        raise ValueError(f"{len(limits)} rows of limits for {len(facts)} rows of facts; build both from the same SKUs")
    lower = np.zeros(len(facts), dtype=np.int64)
    upper = np.full(len(facts), UNBOUNDED, dtype=np.int64)
    lower_rule = np.full(len(facts), Rule.OWN_OPTIMUM, dtype=np.int8)
    upper_rule = lower_rule.copy()
    for rule, low, high in intervals(limits, facts):
        raised = (low > lower) | ((low == lower) & (low > 0) & (lower < upper))
        lower_rule = np.where(raised, np.where(low <= upper, np.int8(rule), upper_rule), lower_rule)
        lower = np.where(raised, np.minimum(low, upper), lower)
        lowered = (high < upper) | ((high == upper) & (high < UNBOUNDED) & (lower < upper))
        upper_rule = np.where(lowered, np.where(high >= lower, np.int8(rule), lower_rule), upper_rule)
        upper = np.where(lowered, np.maximum(high, lower), upper)
    priced = positive(facts.cost_units)
    return BandBatch(
        lower=np.where(priced, lower, MISSING),
        upper=np.where(priced, upper, MISSING),
        lower_rule=np.where(priced, lower_rule, np.int8(Rule.UNPRICED)),
        upper_rule=np.where(priced, upper_rule, np.int8(Rule.UNPRICED)),
        priced=priced,
    )


def band_of(
    guardrails: Guardrails,
    *,
    cost_units: int | None,
    current_ticks: int | None,
    stock: int | None = None,
    competitor_ticks: int | None = None,
    day_start_ticks: int | None = None,
    changes_today: int | None = None,
) -> Band | None:
    """Return one SKU's admissible interval, or None where it has no cost. Arguments as in `PriceFacts`."""
    facts = PriceFacts.single(
        cost_units=cost_units,
        current_ticks=current_ticks,
        stock=stock,
        competitor_ticks=competitor_ticks,
        day_start_ticks=day_start_ticks,
        changes_today=changes_today,
    )
    return admissible_band(GuardrailBatch.from_rows([guardrails]), facts).row(0)
