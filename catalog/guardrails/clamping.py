"""Clamping: how a candidate becomes the price, rule by rule."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .arrays import MISSING, Codes, Ints, int_column, known, or_none
from .band import BandBatch, admissible_band
from .endings import EndingTable, place_ending
from .facts import PriceFacts
from .intervals import intervals
from .limits import GuardrailBatch, Guardrails
from .rules import MISSING_CANDIDATE, MISSING_COST, UNBOUNDED, Rule

Trail = list[tuple[str, int, int]]
"""The clamps of one price in order: (rule, ticks before, ticks after). JSON-able."""


@dataclass(frozen=True, slots=True)
class Clamped:
    """Hold one price after its clamps.

    Args:
        price: ticks; None where the SKU is not priced.
        rule: what decided the price: `Rule.OWN_OPTIMUM` where the candidate stood.
        trail: every clamp that moved the price, in order.
        unpriced_reason: `"missing_cost"`, `"missing_candidate"`, or None.
    """

    price: int | None
    rule: Rule
    trail: Trail
    unpriced_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ClampedBatch:
    """Hold many prices after their clamps.

    Args:
        price: (sku,) int64 ticks, `MISSING` where not priced.
        rule: (sku,) int8 codes of `Rule`.
        band: the interval that each price was clamped to.
        steps: every rule that was applied, weakest first, with the (sku,) prices after it.
        candidate: (sku,) int64 ticks that went in.
    """

    price: Ints
    rule: Codes
    band: BandBatch
    steps: tuple[tuple[Rule, Ints], ...]
    candidate: Ints

    def trail(self, index: int) -> Trail:
        """Return the clamps that moved one SKU's price, in order."""
        trail: Trail = []
        before = int(self.candidate[index])
        if self.price[index] == MISSING:
            return trail
        for rule, prices in self.steps:
            after = int(prices[index])
            if after != before:
                trail.append((rule.label, before, after))
            before = after
        return trail

    def row(self, index: int) -> Clamped:
        """Return one SKU's price with its trail."""
        return Clamped(
            price=or_none(self.price[index]),
            rule=Rule(int(self.rule[index])),
            trail=self.trail(index),
            unpriced_reason=self.unpriced_reason(index),
        )

    def unpriced_reason(self, index: int) -> str | None:
        """Return why one SKU has no price, or None where it has one."""
        if not self.band.priced[index]:
            return MISSING_COST
        return MISSING_CANDIDATE if self.candidate[index] == MISSING else None


def clamp_batch(candidate: Ints, limits: GuardrailBatch, facts: PriceFacts) -> ClampedBatch:
    """Clamp candidate prices to the guardrails: each rule in turn, weakest first, then the price ending.

    The composition of the clamps, the strongest last, equals one clamp to `admissible_band`. Where rules conflict the
    trail shows both, even where the price ends where it began.

    Args:
        candidate: (sku,) int64 ticks; `MISSING` where there is none.
        limits: one row a SKU.
        facts: one row a SKU.

    Returns:
        The prices, the rule that binds each, and the trail of every clamp.

    Raises:
        ValueError: the arguments have different lengths; build them from the same SKUs.
    """
    band = admissible_band(limits, facts)
    if len(candidate) != len(limits):
        raise ValueError(f"{len(candidate)} candidates for {len(limits)} rows of limits; give one for each SKU")
    has_price = band.priced & known(candidate)
    price = np.where(has_price, candidate, 0)
    rule = np.where(has_price, np.int8(Rule.OWN_OPTIMUM), np.int8(Rule.UNPRICED))
    steps: list[tuple[Rule, Ints]] = []
    for name, after in _clamps(price, band, limits, facts):
        rule = np.where(has_price & (after != price), np.int8(name), rule)
        steps.append((name, after))
        price = after
    return ClampedBatch(np.where(has_price, price, MISSING), rule, band, tuple(steps), candidate)


def _clamps(price: Ints, band: BandBatch, limits: GuardrailBatch, facts: PriceFacts) -> Iterator[tuple[Rule, Ints]]:
    for rule, low, high in reversed(list(intervals(limits, facts))):
        # A corridor narrower than one tick has low > high: its low side holds, as in `admissible_band`.
        price = np.maximum(np.minimum(price, high), low)
        yield rule, price
    table = EndingTable.build(limits.ending_sets)
    lower, upper = np.where(band.priced, band.lower, 0), np.where(band.priced, band.upper, UNBOUNDED)
    yield Rule.PRICE_ENDING, place_ending(price, lower, upper, limits.ending_set, table)


def clamp_price(
    candidate: int | None,
    guardrails: Guardrails,
    *,
    cost_units: int | None,
    current_ticks: int | None,
    stock: int | None = None,
    competitor_ticks: int | None = None,
    day_start_ticks: int | None = None,
    changes_today: int | None = None,
) -> Clamped:
    """Clamp one candidate price (ticks) to its guardrails: `clamp_batch` with a single row."""
    facts = PriceFacts.single(
        cost_units=cost_units,
        current_ticks=current_ticks,
        stock=stock,
        competitor_ticks=competitor_ticks,
        day_start_ticks=day_start_ticks,
        changes_today=changes_today,
    )
    return clamp_batch(int_column([candidate]), GuardrailBatch.from_rows([guardrails]), facts).row(0)
