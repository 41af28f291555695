"""What the chosen price is expected to bring, and how sure that is."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from .demand import Demand

NODES: Final = 15
UPPER_QUANTILE_Z: Final = 1.6448536269514722
"""Standard normal quantile of 0.95; by symmetry that of 0.05 is its negative."""

STOCK_MATTERS_Z: Final = 6.0
"""Stock that lies more posterior standard deviations above ln Q than this is treated as unlimited."""


@dataclass(frozen=True, slots=True)
class DemandQuantiles:
    """Hold the 5 % and the 95 % posterior quantile of sales, (sku,) float64 units each."""

    low: Tensor
    high: Tensor


def demand_quantiles(demand: Demand, log_ratio: Tensor) -> DemandQuantiles:
    """Compute the 5 % and 95 % posterior quantiles of sales min(Q, stock).

    ln Q is normal with mean ln(demand) − τ²/2 + m·x and variance s²x² + τ². Sales, revenue and profit rise with ln Q,
    so their quantiles are those of ln Q carried over: exact, no sampling.

    Args:
        demand: posterior of (sku,) SKUs.
        log_ratio: (sku,) float64 x = ln(p/p0).
    """
    mean = _log_demand_mean(demand) + demand.elasticity_mean * log_ratio
    spread = UPPER_QUANTILE_Z * demand.log_spread(log_ratio)
    low, high = torch.exp(mean - spread), torch.exp(mean + spread)
    return DemandQuantiles(torch.minimum(low, demand.stock), torch.minimum(high, demand.stock))


def _log_demand_mean(demand: Demand) -> Tensor:
    return torch.log(demand.demand) - demand.log_demand_sd.square() / 2


@dataclass(frozen=True, slots=True)
class ProfitChange:
    """Hold how sure the profit at the new price minus that at the old one is, (sku,) float64 each.

    Args:
        sd: ticks, its posterior standard deviation.
        probability_better: that it is above zero; 0 where the price does not change.
    """

    sd: Tensor
    probability_better: Tensor


def profit_change(demand: Demand, price: Tensor, cost: Tensor) -> ProfitChange:
    """Compare the profit at a new price with the profit at the price in force, over the posterior of demand.

    The change is (p − c)·min(Q0·exp(e·x), I) − (p0 − c)·min(Q0, I). Where stock cannot bind, its sd is a closed form of
    the moments of exp(e·x); elsewhere of those over Q0, summed over e by a 15-node Gauss-Hermite rule. Its mean is the
    difference of the expected profits.

    Args:
        demand: posterior of (sku,) SKUs; its reference is the price in force.
        price: (sku,) float64 ticks, the new price.
        cost: (sku,) float64 ticks.

    Source: Gauss-Hermite quadrature: Abramowitz and Stegun (1964), section 25.4.46.
    """
    log_ratio = demand.log_ratio(price)
    new_margin, old_margin = price - cost, demand.reference - cost
    mean, second = _unlimited_moments(demand, log_ratio, new_margin, old_margin)
    rows = torch.nonzero(_stock_matters(demand, log_ratio)).flatten()
    if len(rows):
        mean[rows], second[rows] = _limited_moments(
            demand.rows(rows), log_ratio[rows], new_margin[rows], old_margin[rows]
        )
    sd = torch.sqrt(torch.clamp(second - mean.square(), min=0))
    probability = _unlimited_probability(demand, log_ratio, new_margin, old_margin)
    if len(rows):
        probability[rows] = _limited_probability(demand.rows(rows), log_ratio[rows], new_margin[rows], old_margin[rows])
    unchanged = log_ratio == 0
    return ProfitChange(*(torch.where(unchanged, 0.0, each) for each in (sd, probability)))


def _stock_matters(demand: Demand, log_ratio: Tensor) -> Tensor:
    base, slope = _log_demand_mean(demand), demand.elasticity_mean * log_ratio
    spread = STOCK_MATTERS_Z * demand.log_spread(log_ratio)
    highest = torch.maximum(base + STOCK_MATTERS_Z * demand.log_demand_sd, base + slope + spread)
    return highest >= torch.log(demand.stock)


def _unlimited_moments(demand: Demand, log_ratio: Tensor, new: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and second moment of Q0·(new·exp(e·x) − old), e and Q0 independent."""
    tilt, spread = demand.elasticity_mean * log_ratio, (demand.elasticity_sd * log_ratio).square()
    once, twice = torch.exp(tilt + spread / 2), torch.exp(2 * tilt + 2 * spread)
    mean = demand.demand * (new * once - old)
    square = new.square() * twice - 2 * new * old * once + old.square()
    return mean, demand.demand.square() * torch.exp(demand.log_demand_sd.square()) * square


def _normal_nodes(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return nodes and weights that integrate over a standard normal variable."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    scaled = weights / math.sqrt(2 * math.pi)
    return torch.from_numpy(nodes).to(like), torch.from_numpy(scaled).to(like)


def _limited_moments(demand: Demand, log_ratio: Tensor, new: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and second moment of the profit change where stock limits sales."""
    nodes, weights = _normal_nodes(log_ratio)
    mean, second = torch.zeros_like(log_ratio), torch.zeros_like(log_ratio)
    for node, weight in zip(nodes, weights, strict=True):
        log_factor = (demand.elasticity_mean + node * demand.elasticity_sd) * log_ratio
        once, twice = _moments_given_factor(demand, log_factor, new, old)
        mean += weight * once
        second += weight * twice
    return mean, second


def _moments_given_factor(demand: Demand, log_factor: Tensor, new: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    """Return the moments of new·min(Q0·r, I) − old·min(Q0, I) over Q0 alone, r = exp(log_factor).

    As a function of Q0 that is three straight pieces: nothing is sold out, one of the two prices sells out (the new one
    where r > 1), both sell out.
    """
    log_stock, factor, stock = torch.log(demand.stock), torch.exp(log_factor), demand.stock
    below = _partial_moments(demand, log_stock - torch.clamp(log_factor, min=0))
    all_but_above = _partial_moments(demand, log_stock - torch.clamp(log_factor, max=0))
    between = [high - low for high, low in zip(all_but_above, below, strict=True)]
    level = torch.where(log_factor > 0, new, -old) * stock
    slope = torch.where(log_factor > 0, -old, new * factor)
    gain, both_out = new * factor - old, (new - old) * stock
    above = 1 - all_but_above[0]
    once = gain * below[1] + level * between[0] + slope * between[1] + both_out * above
    twice = gain.square() * below[2] + both_out.square() * above
    twice = twice + level.square() * between[0] + 2 * level * slope * between[1] + slope.square() * between[2]
    return once, twice


def _partial_moments(demand: Demand, log_limit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return E[Q0^j; ln Q0 < log_limit] for j = 0, 1, 2: moments of a lognormal variable cut off above."""
    mean, spread = _log_demand_mean(demand), demand.log_demand_sd
    variance = spread.square()
    zeroth, first, second = (_exceeds(-mean - power * variance, spread, -log_limit) for power in range(3))
    return zeroth, demand.demand * first, demand.demand.square() * torch.exp(variance) * second


def _exceeds(mean: Tensor, sd: Tensor, threshold: Tensor) -> Tensor:
    """Return P(X > threshold) for X ~ Normal(mean, sd²); an indicator where sd = 0."""
    sure = (mean > threshold).to(mean.dtype)
    return torch.where(sd > 0, torch.special.ndtr((mean - threshold) / sd), sure)


def _better_factor(demand: Demand, log_ratio: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Return P(new·exp(e·x) > old): e·x is normal."""
    threshold = torch.log(torch.clamp(old, min=0) / new)
    usual = _exceeds(demand.elasticity_mean * log_ratio, (demand.elasticity_sd * log_ratio).abs(), threshold)
    return torch.where(new > 0, usual, (old < 0).to(usual.dtype))


def _unlimited_probability(demand: Demand, log_ratio: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return _better_factor(demand, log_ratio, new, old)


def _limited_probability(demand: Demand, log_ratio: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Return P(new·min(Q0·exp(e·x), I) > old·min(Q0, I)).

    Two disjoint cases. While the old price sells less than the stock, Q0 ≤ I, the new one must bring more per unit of
    Q0 and must not be cut off: exp(e·x) > old/new and Q0 < I·new/old. While it sells out, Q0 > I, the new margin must
    be higher and ln Q0 + e·x > ln(I·old/new); that part is integrated over ln Q0 by Gauss-Legendre.
    """
    log_base, spread, log_stock = _log_demand_mean(demand), demand.log_demand_sd, torch.log(demand.stock)
    positive_old = torch.clamp(old, min=0)
    reach = log_stock + torch.clamp(torch.log(new / positive_old), max=0)
    below = _exceeds(-log_base, spread, -reach) * _better_factor(demand, log_ratio, new, old)
    above = _exceeds(log_base, spread, log_stock) * _better_when_sold_out(demand, log_ratio, new, positive_old)
    probability = below + torch.where(new > old, above, 0.0)
    always = (old <= 0) & (new > old) & (demand.stock > 0)
    return torch.where(always, 1.0, torch.where(demand.stock > 0, probability, 0.0))


def _better_when_sold_out(demand: Demand, log_ratio: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Return P(ln Q0 + e·x > ln(I·old/new) | Q0 > I)."""
    points, weights = np.polynomial.legendre.leggauss(NODES)
    log_base, spread, log_stock = _log_demand_mean(demand), demand.log_demand_sd, torch.log(demand.stock)
    sold_out = _exceeds(log_base, spread, log_stock)
    threshold = log_stock + torch.log(old / new)
    tilt, tilt_sd = demand.elasticity_mean * log_ratio, (demand.elasticity_sd * log_ratio).abs()
    total = torch.zeros_like(log_ratio)
    for point, weight in zip(points, weights, strict=True):
        tail = torch.clamp(sold_out * (1 - point) / 2, min=1e-300)
        log_demand = log_base - spread * torch.special.ndtri(tail)
        total += weight / 2 * _exceeds(tilt + log_demand, tilt_sd, threshold)
    return total
