"""Simple ways to learn demand, for comparison: what any better method has to beat."""

from typing import Final

import numpy as np
import torch

from ..demand_panel import DemandPanel
from ..pricing_arrays import Floats
from ..season import week_effects
from .price_changes import DemandLine

USUAL_ELASTICITY, USUAL_SD = -1.5, 0.5
"""A belief about shops in general: ADR 0007."""

LEAST_SQUARES: Final = 1e-9
"""Of a SKU's log prices around their mean: below it the price never moved."""


def simple_methods(train: DemandPanel) -> dict[str, DemandLine]:
    """Learn every SKU's demand in three simple ways; all take out the shop's season first, none knows a trend.

    `ols`: least squares for each SKU alone, 0 where the price never moved. `pooled`: one elasticity for all SKUs.
    `fixed_prior`: each SKU shrunk to −1.5 ± 0.5, with one noise for all.

    Args:
        train: weekly sales; SKUs without any are not predicted, their level is NaN.

    Source: Gelman & Hill (2007), ch. 12 (no pooling and complete pooling).
    """
    weeks = np.bincount(train.sku, minlength=train.n_skus)
    count, sold = np.maximum(weeks, 1), weeks > 0
    mean_price = np.bincount(train.sku, train.log_price, train.n_skus) / count
    price = train.log_price - mean_price[train.sku]
    units = train.log_units - _season(train, price)
    level = np.bincount(train.sku, units, train.n_skus) / count
    left = units - level[train.sku]
    squares = np.bincount(train.sku, price**2, train.n_skus)
    products = np.bincount(train.sku, price * left, train.n_skus)
    pooled = products.sum() / max(squares.sum(), LEAST_SQUARES)
    variance = ((left - pooled * price) ** 2).sum() / max(len(train) - sold.sum() - 1, 1)
    elasticities = {
        "ols": np.where(squares > LEAST_SQUARES, products / np.maximum(squares, LEAST_SQUARES), 0.0),
        "pooled": np.full(train.n_skus, pooled),
        "fixed_prior": (products + USUAL_ELASTICITY * variance / USUAL_SD**2) / (squares + variance / USUAL_SD**2),
    }
    return {
        name: DemandLine(
            elasticity=elasticity,
            level=np.where(sold, level, np.nan),
            reference=np.where(sold, mean_price, np.nan),
        )
        for name, elasticity in elasticities.items()
    }


def _season(train: DemandPanel, price: Floats) -> Floats:
    """Return what all SKUs share in each row's week; what a usual elasticity explains is taken out first."""
    week = train.week - train.week.min()
    plain = torch.from_numpy(train.log_units - USUAL_ELASTICITY * price)
    columns = plain, torch.from_numpy(train.sku), torch.from_numpy(week)
    return np.asarray(week_effects(*columns, train.n_skus, int(week.max()) + 1).numpy()[week])
