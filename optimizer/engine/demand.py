"""Constant-elasticity demand with an uncertain elasticity."""

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

MAX_EXPONENT: Final = 600.0
"""Keeps demand finite in float64 where a band reaches absurdly far from the price in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Hold the posterior of demand: Q(p) = Q0·(p/p0)^e with e ~ Normal(m, s²), signed, and Q0 lognormal.

    With x = ln(p/p0): E[Q] = demand·exp(m·x + s²x²/2), because E[exp(e·x)] is the moment generating function of a
    normal variable. Q0 has mean `demand` and is independent of e. Sales cannot exceed the stock: the expected sales
    are min(E[Q], stock), the fluid model.

    Args:
        reference: (sku,) float64 ticks, the price p0 at which `demand` was measured, > 0.
        demand: (sku,) float64 units in the period, > 0.
        elasticity_mean: (sku,) float64 m, any sign (negative where a higher price sells less).
        elasticity_sd: (sku,) float64 s, ≥ 0.
        log_demand_sd: (sku,) float64 τ, standard deviation of ln Q0, ≥ 0.
        stock: (sku,) float64 units, ≥ 0; infinite where nothing limits sales.

    Source: Talluri and van Ryzin (2004), ch. 7 (constant-elasticity demand); Gallego and van Ryzin (1994) (fluid
    model).
    """

    reference: Tensor
    demand: Tensor
    elasticity_mean: Tensor
    elasticity_sd: Tensor
    log_demand_sd: Tensor
    stock: Tensor

    def log_ratio(self, price: Tensor) -> Tensor:
        """Return x = ln(p/p0) for (…, sku) prices in ticks."""
        return torch.log(price / self.reference)

    def expected_demand(self, log_ratio: Tensor) -> Tensor:
        """Return E[Q], units, without the stock limit, for (…, sku) log price ratios."""
        exponent = log_ratio * (self.elasticity_mean + self.elasticity_sd.square() * log_ratio / 2)
        return self.demand * torch.exp(torch.clamp(exponent, max=MAX_EXPONENT))

    def expected_sales(self, log_ratio: Tensor) -> Tensor:
        """Return min(E[Q], stock), units, for (…, sku) log price ratios."""
        return torch.minimum(self.expected_demand(log_ratio), self.stock)

    def stock_crossings(self) -> Tensor:
        """Solve E[Q] = stock for the log price ratio: (s²/2)·x² + m·x + ln(demand/stock) = 0.

        Returns:
            (2, sku) float64 roots; not finite where there is none. Uses the form of the quadratic formula that does
            not cancel, and covers s = 0 (one root) and m = 0.
        """
        half_variance, mean = self.elasticity_sd.square() / 2, self.elasticity_mean
        log_excess = torch.log(self.demand / self.stock)
        root = torch.sqrt(mean.square() - 4 * half_variance * log_excess)
        turn = -(mean + torch.copysign(root, mean)) / 2
        return torch.stack([turn / half_variance, log_excess / turn])

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """Return a copy on another device, in another precision."""
        return type(self)(**{name: getattr(self, name).to(device, dtype) for name in type(self).__slots__})
