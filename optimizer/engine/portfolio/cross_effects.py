"""What moving a SKU's price does to the sales of others."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from scipy.special import ndtr
from torch import Tensor

from catalog.guardrails import COST_UNITS_PER_TICK, MISSING, Ints

from ..objectives import objective_named, profit_value, revenue_value
from ..pricing_arrays import Floats, PricingInputs
from .ladder import PriceLadder

Value = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossPairs:
    """Hold elasticities between SKUs, (pair,) each.

    Args:
        demand_of, price_of: int64 rows of the inputs, two different ones in each pair.
        elasticity: float64, of the one's demand in the other's price; positive for substitutes.
    """

    demand_of: Ints
    price_of: Ints
    elasticity: Floats

    def __len__(self) -> int:
        return len(self.elasticity)

    def at(self, place: Ints) -> Self:
        """Return the pairs by other row numbers, (row,) ``place``, without SKUs that have none, -1."""
        demand_of, price_of = place[self.demand_of], place[self.price_of]
        kept = (demand_of >= 0) & (price_of >= 0)
        return type(self)(demand_of=demand_of[kept], price_of=price_of[kept], elasticity=self.elasticity[kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEffects:
    """Hold what SKUs' prices do to others' objective, revenue and profit: (sku,) float64, for a move of ln(p/p0) by 1.

    Money in ticks.
    """

    value: Floats
    revenue: Floats
    profit: Floats

    @classmethod
    def of(cls, pairs: CrossPairs, inputs: PricingInputs, objective: str) -> Self:
        """Return the effects to first order, at the prices in force.

        s_i = Σ_{j≠i} w_j·Q_j·γ_ji, with w = p − c for profit, p for revenue, 1 for units

        That is ∂/∂ ln p_i of what the others bring: what a monopolist of several products adds to the first-order
        condition of each. Q_j is the demand that stock lets through, E[Q; Q ≤ stock]: a SKU that sells out anyway
        gains nothing by its neighbour's price.

        Args:
            pairs: rows of the inputs.
            inputs: (sku,) SKUs, all of them priced.
            objective: a registered one that is linear in units, as all of ours are.

        Source: Tirole (1988), section 1.1.2 (multiproduct monopoly); Talluri & van Ryzin (2004), section 7.3.
        """
        sales = _sales_within_stock(inputs)

        def slopes(value: Value) -> Floats:
            brought = (_worth_of_a_unit(value, inputs) * sales)[pairs.demand_of] * pairs.elasticity
            return np.bincount(pairs.price_of, weights=brought, minlength=len(inputs)).astype(np.float64)

        return cls(
            value=slopes(objective_named(objective).value), revenue=slopes(revenue_value), profit=slopes(profit_value)
        )

    def counted_in(self, ladder: PriceLadder) -> PriceLadder:
        """Return a ladder whose options also bring what they do to others."""
        moves = log_moves(ladder)
        return replace(
            ladder,
            revenue=ladder.revenue + self.revenue[:, None] * moves,
            profit=ladder.profit + self.profit[:, None] * moves,
        )


def log_moves(ladder: PriceLadder) -> Floats:
    """Return (sku, k) ln(p/p0) of the options."""
    return np.asarray(np.log(ladder.ticks / ladder.current[:, None]))


def _worth_of_a_unit(value: Value, inputs: PricingInputs) -> Floats:
    price, cost = inputs.current_ticks.astype(np.float64), inputs.cost_units / COST_UNITS_PER_TICK
    return np.asarray(
        value(torch.from_numpy(price), torch.from_numpy(cost), torch.ones(len(inputs), dtype=torch.float64)).numpy()
    )


def _sales_within_stock(inputs: PricingInputs) -> Floats:
    """Return E[Q; Q ≤ stock] = ∂E[min(Q, stock)]/∂ ln E[Q], (sku,) units at the prices in force; Q is lognormal."""
    assert inputs.inventory is not None and inputs.log_demand_sd is not None
    stock = np.where(inputs.inventory == MISSING, np.inf, np.maximum(inputs.inventory, 0))
    spread = inputs.log_demand_sd
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.log(stock / inputs.demand) / spread
    share = np.where(spread > 0, ndtr(z - spread / 2), inputs.demand <= stock)
    return np.asarray(inputs.demand * share)
