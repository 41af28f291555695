"""The rules by name, in the order of their strength, and the numbers that they count in."""

from enum import IntEnum
from typing import Final

UNBOUNDED: Final = 10**15
"""An upper limit in ticks that no price reaches: float64 holds it exactly."""

BASIS: Final = 10_000
COST_UNITS_PER_TICK: Final = 100
MISSING_COST: Final = "missing_cost"
MISSING_CANDIDATE: Final = "missing_candidate"


class Rule(IntEnum):
    """Name what decided a price. `label` is the name that people and the API see."""

    UNPRICED = 0
    OWN_OPTIMUM = 1
    STOCK_LIMIT = 2
    LOSS_FLOOR = 3
    MIN_MARGIN = 4
    MAP = 5
    FLOOR = 6
    CEILING = 7
    MAX_CHANGE = 8
    LOW_STOCK = 9
    COMPETITOR = 10
    PRICE_ENDING = 11
    MAX_CHANGE_PER_DAY = 12
    CHANGES_PER_DAY = 13
    FAMILY = 14
    SIZE_LADDER = 15
    QUALITY_LADDER = 16

    @property
    def label(self) -> str:
        """Return the name in lower case, as served: `max_change`."""
        return self.name.lower()


RULE_LABELS: Final = tuple(rule.label for rule in Rule)
"""Label of every rule code: `RULE_LABELS[code]`."""

HARD_RULES: Final = (Rule.LOSS_FLOOR, Rule.MIN_MARGIN, Rule.MAP, Rule.FLOOR, Rule.CEILING)
"""The rules that the publish gate refuses to break on any path, strongest first."""

STEP_RULES: Final = (Rule.CHANGES_PER_DAY, Rule.MAX_CHANGE, Rule.MAX_CHANGE_PER_DAY)
"""The rules of how far and how often a price moves, strongest first: the gate holds automatic prices to them."""
