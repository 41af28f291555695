"""The prices that a markdown chooses from."""

from typing import Final

import numpy as np

from catalog.guardrails import UNBOUNDED, EndingTable, GuardrailBatch, PriceFacts, hard_floor_ticks

from .problem import Floats, Ints

MAX_RUNGS: Final = 12
"""Prices of a ladder; from half the price up, neighbours are 6 % apart."""


def price_ladder(
    *, limits: GuardrailBatch, facts: PriceFacts, highest: Ints, rungs: int = MAX_RUNGS
) -> tuple[Floats, Ints]:
    """Return the admissible prices of each SKU, evenly spaced in their logarithm, highest first.

    From the hard floor (loss floor, minimum margin, MAP, floor) to the lower one of `highest` and the ceiling, at
    allowed price endings. The price in force is a rung where the hard rules allow it. Salvage plays no part: a markdown
    never goes below the floor, however little a unit left is worth. Low stock and the distance to competitors do not
    apply: whoever orders a stock sold wants it low.

    Args:
        limits, facts: one row a SKU.
        highest: (sku,) int64 ticks, the highest price that the plan may take, > 0.
        rungs: how many prices at most, ≥ 2.

    Returns:
        (sku, rung) float64 ticks, falling, the last one repeated to fill a row; and (sku,) int64 the hard floor,
        `MISSING` where the cost is unknown: such a SKU must not be priced.
    """
    floor = hard_floor_ticks(limits, facts)
    low = np.maximum(floor, 1)
    ceiling = np.where(limits.ceiling > 0, limits.ceiling, UNBOUNDED)
    high = np.maximum(np.minimum(highest, ceiling), low)
    table = EndingTable.build(limits.ending_sets)
    rows = [
        _rungs(int(low[row]), int(high[row]), int(facts.current_ticks[row]), int(limits.ending_set[row]), table, rungs)
        for row in range(len(facts))
    ]
    return np.array([each + [each[-1]] * (rungs - len(each)) for each in rows], dtype=np.float64), floor


def _rungs(low: int, high: int, current: int, ending_set: int, table: EndingTable, rungs: int) -> list[int]:
    wanted = np.unique(np.rint(np.geomspace(low, high, rungs - 1)).astype(np.int64))
    fitting = table.sets_that_fit(np.array([low]), np.array([high]), np.array([ending_set]))
    sets = np.repeat(fitting, len(wanted))
    up, down = table.at_or_above(wanted, sets), table.at_or_below(wanted, sets)
    prices = set(np.where(up <= high, up, down).tolist())
    if low <= current <= high:
        prices.add(current)
    return sorted(prices, reverse=True)
