"""Each rule as an interval of prices, strongest first."""

from collections.abc import Iterator

import numpy as np

from .arrays import MISSING, Bools, Ints, known, positive
from .facts import PriceFacts
from .limits import GuardrailBatch
from .rules import BASIS, COST_UNITS_PER_TICK, UNBOUNDED, Rule

Interval = tuple[Rule, Ints, Ints]


def loss_floor_ticks(cost_units: Ints) -> Ints:
    """Return the lowest price that does not lose money: ⌈c⌉ in ticks."""
    return _ceil_div(cost_units, COST_UNITS_PER_TICK)


def margin_floor_ticks(cost_units: Ints, min_margin_bp: Ints) -> Ints:
    """Return the lowest price with the margin: the least p with p·(10,000 − margin) ≥ 10,000·c."""
    return _ceil_div(cost_units * (BASIS // COST_UNITS_PER_TICK), np.subtract(BASIS, min_margin_bp))


def hard_floor_ticks(limits: GuardrailBatch, facts: PriceFacts) -> Ints:
    """Return (sku,) int64 ticks below which no automatic price may be published; `MISSING` where there is no cost."""
    floor = np.zeros(len(facts), dtype=np.int64)
    for _, low, _ in hard_intervals(limits, facts):
        floor = np.maximum(floor, low)
    return np.where(positive(facts.cost_units), floor, MISSING)


def intervals(limits: GuardrailBatch, facts: PriceFacts) -> Iterator[Interval]:
    """Yield every rule, strongest first, as (rule, low, high) in ticks."""
    yield from hard_intervals(limits, facts)
    yield from step_intervals(limits, facts)
    yield from _soft_intervals(limits, facts)


def hard_intervals(limits: GuardrailBatch, facts: PriceFacts) -> Iterator[Interval]:
    """Yield the hard rules, strongest first, as (rule, low, high) in ticks."""
    cost = np.where(positive(facts.cost_units), facts.cost_units, 0)
    everywhere = np.ones(len(facts), dtype=np.bool_)
    yield _from_below(Rule.LOSS_FLOOR, loss_floor_ticks(cost), everywhere)
    has_margin = positive(limits.min_margin_bp)
    margin = np.where(has_margin, limits.min_margin_bp, 0)
    yield _from_below(Rule.MIN_MARGIN, margin_floor_ticks(cost, margin), has_margin)
    yield _from_below(Rule.MAP, limits.map_price, known(limits.map_price))
    yield _from_below(Rule.FLOOR, limits.floor, known(limits.floor))
    yield Rule.CEILING, np.zeros_like(cost), np.where(known(limits.ceiling), limits.ceiling, UNBOUNDED)


def step_intervals(limits: GuardrailBatch, facts: PriceFacts) -> Iterator[Interval]:
    """Yield the rules of how far and how often a price moves, strongest first, as (rule, low, high) in ticks."""
    current = facts.current_ticks
    used_up = known(limits.max_changes_per_day) & known(facts.changes_today) & positive(current)
    used_up &= facts.changes_today >= limits.max_changes_per_day
    yield Rule.CHANGES_PER_DAY, np.where(used_up, current, 0), np.where(used_up, current, UNBOUNDED)
    yield _around(Rule.MAX_CHANGE, current, limits.max_change_bp)
    yield _around(Rule.MAX_CHANGE_PER_DAY, facts.day_start_ticks, limits.max_change_per_day_bp)


def _soft_intervals(limits: GuardrailBatch, facts: PriceFacts) -> Iterator[Interval]:
    """Yield the weakest rules, strongest first, as (rule, low, high) in ticks."""
    current, rival = facts.current_ticks, facts.competitor_ticks
    low_stock = known(facts.stock) & known(limits.inventory_threshold) & (facts.stock < limits.inventory_threshold)
    yield _from_below(Rule.LOW_STOCK, current, low_stock & positive(current))

    near = known(limits.competitor_min_bp) & positive(rival)
    far = known(limits.competitor_max_bp) & positive(rival)
    low = _ceil_div(_scaled(rival, limits.competitor_min_bp, near), BASIS)
    high = np.where(far, _scaled(rival, limits.competitor_max_bp, far) // BASIS, UNBOUNDED)
    yield Rule.COMPETITOR, np.where(near, low, 0), high


def _around(rule: Rule, anchor: Ints, rate_bp: Ints) -> Interval:
    """Return the prices within a rate of an anchor; everything where either is not there."""
    applies = known(rate_bp) & positive(anchor)
    low, high = _scaled(anchor, -rate_bp, applies), _scaled(anchor, rate_bp, applies)
    return rule, _ceil_div(low, BASIS), np.where(applies, high // BASIS, UNBOUNDED)


def _from_below(rule: Rule, low: Ints, applies: Bools) -> Interval:
    return rule, np.where(applies, low, 0), np.full(len(low), UNBOUNDED, dtype=np.int64)


def _ceil_div(numerator: Ints, denominator: Ints | int) -> Ints:
    return -(-numerator // denominator)


def _scaled(ticks: Ints, rate_bp: Ints, applies: Bools) -> Ints:
    """Return ticks·(10,000 + rate), in ten-thousandths of a tick, with zero where the rule does not apply."""
    factor: Ints = BASIS + np.where(applies, rate_bp, 0)
    return np.where(applies, ticks, 0) * factor


def hard_interval(limits: GuardrailBatch, facts: PriceFacts) -> tuple[Ints, Ints]:
    """Return the lowest and the highest price that the hard rules allow, (sku,) int64 ticks.

    A ceiling below a stronger hard rule gives way to it, as in the gate's check.
    """
    low, high = np.zeros(len(facts), dtype=np.int64), np.full(len(facts), UNBOUNDED, dtype=np.int64)
    for _, least, most in hard_intervals(limits, facts):
        high = np.minimum(high, np.maximum(most, low))
        low = np.maximum(low, least)
    return low, np.maximum(high, low)
