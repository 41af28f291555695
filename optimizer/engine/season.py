"""Shop-wide demand of each week."""

from typing import Final

import torch
from torch import Tensor

from .groups import group_mean

HUBER: Final = 1.345
"""Residuals beyond this many robust standard deviations lose weight; 95 % efficient for normal noise (Huber 1981)."""

MAD_TO_SD: Final = 1.4826
TOLERANCE: Final = 1e-10
MAX_SWEEPS: Final = 300


def week_effects(log_units: Tensor, sku: Tensor, week: Tensor, n_skus: int, n_weeks: int) -> Tensor:
    """Estimate the log demand that all SKUs share in each week.

    log units = α_sku + season_week + noise, a two-way fixed-effects fit by weighted alternating means, with Huber
    weights so that single odd weeks of a SKU do not move a week.

    Use it in place of Fourier terms where the data is shorter than two years: a yearly cycle cannot be told from a
    trend there, a week that all SKUs share can.

    Args:
        log_units: (row,) float64, with the effect of price taken out.
        sku: (row,) int64, 0 to n_skus − 1.
        week: (row,) int64, 0 to n_weeks − 1.

    Returns:
        (week,) float64, mean zero over the weeks that have rows; 0 for the others.

    Source: Wooldridge (2010), section 10.5 (fixed effects); Huber (1981), ch. 7 (robust regression).
    """
    season = torch.zeros(n_weeks, dtype=log_units.dtype, device=log_units.device)
    weight = torch.ones_like(log_units)
    seen = torch.bincount(week, minlength=n_weeks) > 0
    for sweep in range(MAX_SWEEPS):
        level = group_mean(log_units - season[week], sku, n_skus, weight)
        updated = group_mean(log_units - level[sku], week, n_weeks, weight)
        updated = torch.where(seen, updated - updated[seen].mean(), 0.0)
        moved = (updated - season).abs().max()
        season = updated
        if sweep % 2 == 1:
            residual = (log_units - level[sku] - season[week]).abs()
            scale = torch.clamp(MAD_TO_SD * residual.median(), min=1e-12)
            weight = torch.clamp(HUBER * scale / torch.clamp(residual, min=1e-300), max=1.0)
            if moved < TOLERANCE:
                break
    return season
