"""Problems at random: to learn from, and others to be judged on."""

from dataclasses import dataclass

import numpy as np

from .problem import MAX_STOCK, Bools, Floats, HorizonProblem, Ints

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRanges:
    """Hold the ranges that problems are drawn from; all values are continuous but whole periods and units.

    Args:
        periods: whole, evenly.
        elasticity: evenly.
        reference: money, evenly in the logarithm.
        demand: units a period at the reference price, evenly in the logarithm.
        load: stock as a share of what the horizon would sell at the reference price, evenly.
        cost_share: unit cost / reference price, evenly.
        salvage_share: salvage / unit cost, evenly.
        shortage_share: shortage cost / reference price, evenly.
        start: start price / reference price, evenly in the logarithm, then brought between the bounds.
        least_margin: (min price − cost)/min price: the guardrail, the same for all.
        highest: max price / reference price, evenly.
        swing: amplitude of the season, a sine wave of 13 to 52 periods that begins anywhere, evenly.
        cross_elasticity: evenly. The competitor's log price is a random walk with steps of sd 0.03.
    """

    periods: tuple[int, int] = (4, 26)
    elasticity: Range = (-3.5, -1.1)
    reference: Range = (5.0, 200.0)
    demand: Range = (0.5, 8.0)
    load: Range = (0.3, 1.5)
    cost_share: Range = (0.3, 0.75)
    salvage_share: Range = (0.0, 0.8)
    shortage_share: Range = (0.0, 0.05)
    start: Range = (0.8, 1.25)
    least_margin: float = 0.15
    highest: Range = (1.3, 1.8)
    swing: Range = (0.0, 0.5)
    cross_elasticity: Range = (0.0, 1.0)


def draw_problems(count: int, rng: np.random.Generator, ranges: ProblemRanges | None = None) -> HorizonProblem:
    """Draw problems, each with an elasticity, costs, stock, horizon, season and competitor of its own.

    Another generator draws other problems: what was learned on one draw is judged on another, none of whose values it
    has seen. The longest horizon is that of the ranges or shorter.
    """
    ranges = ranges or ProblemRanges()
    periods = rng.integers(ranges.periods[0], ranges.periods[1] + 1, count)
    reference = _log_uniform(rng, ranges.reference, count)
    unit_cost = reference * rng.uniform(*ranges.cost_share, count)
    min_price = unit_cost / (1 - ranges.least_margin)
    max_price = np.maximum(reference * rng.uniform(*ranges.highest, count), min_price)
    demand = _log_uniform(rng, ranges.demand, count)
    season = _seasons(rng, ranges.swing, periods)
    expected = demand * np.where(_inside(periods), season, 0).sum(axis=1)
    return HorizonProblem(
        periods=periods,
        stock=np.clip(np.rint(rng.uniform(*ranges.load, count) * expected), 1, MAX_STOCK).astype(np.int64),
        unit_cost=unit_cost,
        salvage=unit_cost * rng.uniform(*ranges.salvage_share, count),
        shortage_cost=reference * rng.uniform(*ranges.shortage_share, count),
        start_price=np.clip(reference * _log_uniform(rng, ranges.start, count), min_price, max_price),
        min_price=min_price,
        max_price=max_price,
        demand=demand,
        reference=reference,
        elasticity=rng.uniform(*ranges.elasticity, count),
        season=season,
        competitor=reference[:, None] * np.exp(rng.normal(0, 0.03, season.shape).cumsum(axis=1)),
        cross_elasticity=rng.uniform(*ranges.cross_elasticity, count),
    )


def _log_uniform(rng: np.random.Generator, bounds: Range, count: int) -> Floats:
    return np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]), count))


def _inside(periods: Ints) -> Bools:
    return np.arange(periods.max(initial=1)) < periods[:, None]


def _seasons(rng: np.random.Generator, swing: Range, periods: Ints) -> Floats:
    amplitude, phase = rng.uniform(*swing, len(periods)), rng.uniform(0, 1, len(periods))
    cycles = np.arange(periods.max(initial=1)) / rng.uniform(13, 52, len(periods))[:, None]
    return np.where(_inside(periods), 1 + amplitude[:, None] * np.sin(2 * np.pi * (cycles + phase[:, None])), 1.0)
