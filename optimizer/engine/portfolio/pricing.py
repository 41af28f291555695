"""Prices of many SKUs chosen together, from the same inputs as single SKUs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from catalog.guardrails import COST_UNITS_PER_TICK, MISSING, Ints

from ..devices import ComputeDevice, resolve_device
from ..joint import RelatedSkus
from ..objectives import objective_named
from ..pricing_arrays import Floats, PricingInputs
from .cross_effects import CrossEffects, CrossPairs, log_moves
from .goals import Charges, Goal, ShadowPrice
from .ladder import POINTS, PriceLadder
from .portfolio import Coupling, Portfolio
from .related import Related
from .solve import TOLERANCE, CannotMeet, PortfolioResult, optimize_portfolio


class GoalsUnmet(ValueError):
    """No prices meet all goals; the message says which goals, and how far they can be met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioPrices:
    """Hold the prices and their certificate.

    Args:
        ticks: (sku,) int64; `MISSING` where the SKU is not priced.
        result: value, bound and gap of the choice; its rows are those of ``rows``.
        rows: (priced SKU,) int64, rows of the inputs.
        shadow_prices: what each goal costs.
        charges: what the goals make of each priced SKU's score: nearly all SKUs have the option of the highest.
        together: (priced SKU,) bool, those that choose with relatives, or keep the price that they share with them.
        ladder: the options, one row a priced SKU; with what they do to others where ``effects`` are counted.
        effects: what each priced SKU's price does to others; None where that is not counted.
    """

    ticks: Ints
    result: PortfolioResult
    rows: Ints
    shadow_prices: list[ShadowPrice]
    charges: Charges
    together: NDArray[np.bool_]
    ladder: PriceLadder
    effects: CrossEffects | None = None

    @property
    def brought_to_others(self) -> float:
        """Return what the prices do to others' objective, against the prices in force."""
        if self.effects is None:
            return 0.0
        return float(self.effects.value @ np.log(self.ticks[self.rows] / self.ladder.current))


def price_portfolio(
    inputs: PricingInputs,
    goals: Sequence[Goal],
    *,
    alone: Ints,
    objective: str = "profit",
    related: Sequence[RelatedSkus] = (),
    cross: CrossPairs | None = None,
    device: str | ComputeDevice = "auto",
    points: int = POINTS,
    tolerance: float = TOLERANCE,
) -> PortfolioPrices:
    """Choose admissible prices of highest total objective that meet the goals.

    Goals look at the SKUs that can be priced; the others keep their price and count nowhere. Each priced SKU chooses
    among ``points`` of its admissible prices; families and ladders keep their relation.

    Args:
        inputs: (sku,) SKUs.
        goals: what is asked of all prices together; their arrays have one row a priced SKU.
        alone: (sku,) int64 ticks, what `optimize_ticks` and then `solve_related` came to; `MISSING`: not priced.
        objective: `profit`, `revenue`, `market_share`, or another registered one.
        related: families and ladders, rows of the inputs.
        cross: elasticities between SKUs, rows of the inputs; each option also brings what it does to others, to first
            order, in the objective and in the goals. None: it does nothing to them.
        device: as for `resolve_device`.
        points: options a SKU.
        tolerance: the relative gap to reach.

    Raises:
        GoalsUnmet: no prices meet all goals; the message says how far they can be met.
        ValueError: no SKU can be priced, or there is no such objective or device.
    """
    compute = resolve_device(device) if isinstance(device, str) else device
    rows = np.flatnonzero(alone != MISSING)
    if len(rows) == 0:
        raise ValueError("no SKU can be priced: each needs a cost, a price, sales and an upper limit")
    priced = inputs if len(rows) == len(inputs) else inputs.rows(rows)
    place = np.full(len(inputs), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    together = Related.sort(related, place=place, alone=alone)
    ladder = PriceLadder.build(
        priced,
        alone=alone[rows],
        device=compute,
        families=together.families,
        may_stay=any(goal.lets_stay for goal in goals),
        points=points,
    )
    value, effects = _value(ladder, priced, objective), None
    if cross is not None and len(pairs := cross.at(place)):
        effects = CrossEffects.of(pairs, priced, objective)
        value += effects.value[:, None] * log_moves(ladder)
        ladder = effects.counted_in(ladder)
    held = together.held
    value[held] = np.where(ladder.ticks[held] == alone[rows][held, None], value[held], -np.inf)
    asked = [goal.couplings(ladder) for goal in goals]
    portfolio = Portfolio(
        value=value,
        couplings=[coupling for each in asked for coupling in each],
        families=together.families,
        chains=together.chains(place, ladder),
    )
    try:
        result = optimize_portfolio(portfolio, device=compute, tolerance=tolerance)
    except CannotMeet as error:
        raise GoalsUnmet(_unmet(error, goals, asked, ladder)) from error
    ticks = np.full(len(inputs), MISSING, dtype=np.int64)
    ticks[rows] = ladder.ticks[np.arange(len(rows)), result.option]
    shadow, charges, done = [], Charges.none(len(rows)), 0
    for goal, couplings in zip(goals, asked, strict=True):
        multipliers = result.multipliers[done : done + len(couplings)]
        shadow += goal.shadow_prices(ladder, multipliers)
        charges = charges.and_also(goal.charges(ladder, multipliers))
        done += len(couplings)
    chosen_together = np.zeros(len(rows), dtype=bool)
    chosen_together[np.concatenate([portfolio.related(), held])] = True
    return PortfolioPrices(
        ticks=ticks,
        result=result,
        rows=rows,
        shadow_prices=shadow,
        charges=charges,
        together=chosen_together,
        ladder=ladder,
        effects=effects,
    )


def _unmet(error: CannotMeet, goals: Sequence[Goal], asked: Sequence[Sequence[Coupling]], ladder: PriceLadder) -> str:
    """Return in words which goals cannot be met."""
    owners = [goal for goal, own in zip(goals, asked, strict=True) for _ in own]
    said = [
        owners[each.coupling].unmet(ladder, each.least, each.group)
        + ("" if each.alone else ", while the other goals are met")
        for each in error.unmet
    ]
    return "; ".join(said)


def _value(ladder: PriceLadder, priced: PricingInputs, objective: str) -> Floats:
    """Return (sku, k) expected objectives; -inf for places behind the last option."""
    cost = torch.from_numpy(priced.cost_units / COST_UNITS_PER_TICK)[:, None]
    price, units = torch.from_numpy(ladder.ticks).double(), torch.from_numpy(ladder.units)
    score = objective_named(objective).value(price, cost, units).numpy()
    return np.where(ladder.distinct, score, -np.inf)
