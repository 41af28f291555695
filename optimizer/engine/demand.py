"""Constant-elasticity demand with an uncertain elasticity."""

import math
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

NEGLIGIBLE_Z: Final = 8.0
"""Where stock lies this far above demand, in standard deviations, it takes less than 10⁻¹⁵ of the expected sales."""

MAX_EXPONENT: Final = 600.0
"""Keeps demand finite in float64 where a band reaches absurdly far from the price in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Hold the posterior of demand: Q(p) = Q0·(p/p0)^e with e ~ Normal(m, s²), signed, and Q0 lognormal.

    With x = ln(p/p0): E[Q] = demand·exp(m·x + s²x²/2), because E[exp(e·x)] is the moment generating function of a
    normal variable. Q0 has mean `demand` and is independent of e. Sales cannot exceed the stock: the expected sales
    are E[min(Q, stock)].

    Args:
        reference: (sku,) float64 ticks, the price p0 at which `demand` was measured, > 0.
        demand: (sku,) float64 units in the period, > 0.
        elasticity_mean: (sku,) float64 m, any sign (negative where a higher price sells less).
        elasticity_sd: (sku,) float64 s, ≥ 0.
        log_demand_sd: (sku,) float64 τ, standard deviation of ln Q0, ≥ 0.
        stock: (sku,) float64 units, ≥ 0; infinite where nothing limits sales.

    Source: Talluri and van Ryzin (2004), ch. 7 (constant-elasticity demand); Johnson, Kotz and Balakrishnan (1994),
    ch. 14 (moments of a lognormal variable that is cut off).
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
        return self.demand * torch.exp(self._log_growth(log_ratio))

    def _log_growth(self, log_ratio: Tensor) -> Tensor:
        """Return ln(E[Q]/demand)."""
        exponent = log_ratio * (self.elasticity_mean + self.elasticity_sd.square() * log_ratio / 2)
        return torch.clamp(exponent, max=MAX_EXPONENT)

    def log_spread(self, log_ratio: Tensor) -> Tensor:
        """Return σ = √(s²x² + τ²), the standard deviation of ln Q, for (…, sku) log price ratios."""
        return torch.hypot(self.elasticity_sd * log_ratio, self.log_demand_sd)

    def expected_sales(self, log_ratio: Tensor) -> Tensor:
        """Return E[min(Q, stock)], units, for (…, sku) log price ratios.

        With z = ln(stock/E[Q])/σ that is E[Q]·Φ(z − σ/2) + stock·Φ(−z − σ/2); min(E[Q], stock) where σ = 0.
        """
        return self._sales(self._log_growth(log_ratio), self.log_spread(log_ratio))

    def _sales(self, growth: Tensor, spread: Tensor) -> Tensor:
        """Return E[min(Q, stock)] from ln(E[Q]/demand) and σ; it rises with the first and falls with the second."""
        mean = self.demand * torch.exp(growth)
        z = (torch.log(self.stock) - torch.log(self.demand) - growth) / spread
        limited = mean * _normal_cdf(z - spread / 2) + self.stock * _normal_cdf(-z - spread / 2)
        certain = torch.minimum(mean, self.stock)
        return torch.where(torch.isfinite(z), torch.minimum(limited, certain), certain)

    def stock_matters_between(self, first: Tensor, last: Tensor) -> Tensor:
        """Return where stock limits expected sales at some price from `first` to `last`, (sku,) ticks.

        ln E[Q], σ² and σ are convex in x, so that ln E[Q] + σ²/2 + 8σ is highest at an end. Where it stays below
        ln(stock), z − σ/2 > 8 everywhere between.
        """
        log_ratio = self.log_ratio(torch.stack([first, last]).double())
        spread = self.log_spread(log_ratio)
        high = torch.log(self.demand) + self._log_growth(log_ratio) + spread * (spread / 2 + NEGLIGIBLE_Z)
        return (high > torch.log(self.stock)).any(0)

    def most_sales_between(self, first: Tensor, last: Tensor) -> Tensor:
        """Return an upper bound of expected sales at any price from `first` to `last`, (sku,) ticks.

        ln E[Q] is convex in x, so it is highest at an end; σ is least where x is nearest to 0.
        """
        low, high = log_ratio = self.log_ratio(torch.stack([first, last]).double())
        nearest = torch.clamp(low, min=0) + torch.clamp(high, max=0)
        return self._sales(self._log_growth(log_ratio).amax(0), self.log_spread(nearest))

    def rows(self, rows: Tensor | slice) -> Self:
        """Return some of the SKUs, each as often as its row is asked for."""
        return type(self)(**{name: getattr(self, name)[rows] for name in type(self).__slots__})

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """Return a copy on another device, in another precision."""
        return type(self)(**{name: getattr(self, name).to(device, dtype) for name in type(self).__slots__})


def _normal_cdf(value: Tensor) -> Tensor:
    """Return Φ; `torch.special.ndtr` loses the small values of the lower tail."""
    return torch.erfc(value * -math.sqrt(0.5)) / 2
