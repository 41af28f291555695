"""The price at which expected profit stops rising."""

from typing import Final

import torch
from torch import Tensor

from .demand import Demand

MAX_ITERATIONS: Final = 60
"""Newton takes 3 to 6 steps; only a double root (profit flat at its summit) needs about 45, halving its error each."""


def profit_maximum(demand: Demand, cost: Tensor, lower: Tensor, upper: Tensor, start: Tensor | None) -> Tensor:
    """Find where expected profit (p − c)·E[Q(p)] has its interior maximum.

    With x = ln(p/p0) the derivative of ln profit is f(x) = p/(p − c) + m + s²x. f is convex, so it has at most two
    zeros, and the first one is the maximum. f falls up to p_m = c·[(2s² + 1) + √(4s² + 1)]/(2s²). Newton's method that
    starts left of the first zero rises to it without overshooting. The start is the closed form c·e/(1 + e) with the
    elasticity e = m + s²·x at the lower end of the band, where e < −1: it is never right of the zero, and it is the
    answer where s = 0.

    Args:
        demand: posterior of (sku,) SKUs.
        cost: (sku,) float, ticks, > 0.
        lower, upper: (sku,) float, ticks, the band; zeros outside it are not looked for.
        start: None, or (1, sku) log price ratios near the zero, from a search in lower precision.

    Returns:
        (1, sku) log price ratios; infinite where expected profit has no interior maximum in the band.

    Source: Phillips (2005), ch. 3 (the markup rule without uncertainty); the extension to a normal elasticity is
    proved in docs/math.md.
    """
    variance = demand.elasticity_sd.square()
    first = demand.log_ratio(torch.maximum(lower, torch.floor(cost) + 1))
    last = torch.minimum(demand.log_ratio(upper), demand.log_ratio(cost / _cost_share_at_turn(variance)))
    elasticity = demand.elasticity_mean + variance * first
    markup = demand.log_ratio(cost * elasticity / (1 + elasticity))
    log_ratio = torch.maximum(first, markup) if start is None else torch.maximum(first, start[0])
    exists = (elasticity < -1) & (log_ratio <= last)
    log_ratio = torch.where(exists, log_ratio, first)
    cost_share = cost / demand.reference
    tolerance = 512 * torch.finfo(log_ratio.dtype).eps
    for _ in range(MAX_ITERATIONS):
        share = cost_share * torch.exp(-log_ratio)
        markup_factor = 1 / (1 - share)
        value = markup_factor + demand.elasticity_mean + variance * log_ratio
        slope = variance - share * markup_factor.square()
        step = torch.where(exists & (slope < 0), -value / slope, 0.0)
        previous, log_ratio = log_ratio, torch.minimum(torch.maximum(log_ratio + step, first), last)
        if bool(((log_ratio - previous).abs() <= tolerance * (1 + previous.abs())).all()):
            break
        exists = exists & ((log_ratio < last) | (step < 0))
    # A zero at or below `first` is a fall along the whole band, unless the band starts at the cost itself.
    exists = exists & (log_ratio < last) & ((log_ratio > first) | (lower <= cost))
    return torch.where(exists, log_ratio, torch.inf)[None]


def _cost_share_at_turn(variance: Tensor) -> Tensor:
    """Return c/p_m, the cost's share of the price where f turns: the smaller root of s²(1 − u)² = u, 0 where s = 0."""
    return 2 * variance / (2 * variance + 1 + torch.sqrt(4 * variance + 1))
