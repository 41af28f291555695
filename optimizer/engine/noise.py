"""The noise that SKUs have in common."""

import math

import torch
from torch import Tensor

LEAST_FREEDOM = 2.0
"""Fewer residual degrees of freedom say too little about a SKU's own noise."""

MOST_FREEDOM = 1e4
"""Prior degrees of freedom where the SKUs show no difference in noise at all."""


def pooled_noise_prior(variance: Tensor, freedom: Tensor) -> tuple[float, float]:
    """Estimate the prior that the SKUs' noise variances share, by empirical Bayes.

    s_i² ~ s0²·F(d_i, d0). With z = ln s² − ψ(d/2) + ln(d/2), the variance of z beyond the mean of ψ′(d/2) is ψ′(d0/2),
    and ln s0² = mean(z) + ψ(d0/2) − ln(d0/2).

    Args:
        variance: (sku,) float64, unbiased residual variances.
        freedom: (sku,) float64, their degrees of freedom.

    Returns:
        Prior degrees of freedom d0 and prior variance s0².

    Source: Smyth (2004), section 6.2.
    """
    usable = (freedom >= LEAST_FREEDOM) & (variance > 1e-12)
    if int(usable.sum()) < 3:
        typical = float(variance[variance > 1e-12].median()) if bool((variance > 1e-12).any()) else 1.0
        return LEAST_FREEDOM, typical
    half = freedom[usable] / 2
    z = torch.log(variance[usable]) - torch.digamma(half) + torch.log(half)
    excess = float(z.var() - torch.polygamma(1, half).mean())
    prior_freedom = min(2 * inverse_trigamma(excess), MOST_FREEDOM) if excess > 0 else MOST_FREEDOM
    prior_half = torch.tensor(prior_freedom / 2, dtype=torch.float64)
    return prior_freedom, math.exp(float(z.mean() + torch.digamma(prior_half) - torch.log(prior_half)))


def inverse_trigamma(value: float) -> float:
    """Solve ψ′(y) = value for y > 0, by Newton's method on 1/ψ′, which is nearly straight and convex.

    Source: Smyth (2004), appendix.
    """
    y = torch.tensor(0.5 + 1 / value, dtype=torch.float64)
    for _ in range(50):
        trigamma = torch.polygamma(1, y)
        step = trigamma * (1 - trigamma / value) / torch.polygamma(2, y)
        y = y + step
        if float((step / y).abs()) < 1e-12:
            break
    return float(y)
