"""How good quantiles were."""

from collections.abc import Sequence

import numpy as np

from .panel import Floats


def pinball(quantiles: Floats, demand: Floats, levels: Sequence[float]) -> Floats:
    """Return the pinball loss times two, the mean over levels: (series, horizon).

    Its sum over the sum of demand is the weighted quantile loss (Salinas et al. 2020).
    """
    short = demand[..., None] - quantiles
    at = np.array(levels)
    return np.asarray(2 * np.maximum(at * short, (at - 1) * short).mean(-1))


def randomised_coverage(quantiles: Floats, demand: Floats, levels: Sequence[float], seed: int = 0) -> Floats:
    """Return whether demand is between the 10 and 90 % quantiles by the randomised probability transform, as 0 or 1.

    Quantiles at 0 are all the rank of a demand of 0: one of them is drawn (Czado, Gneiting and Held 2009).
    """
    rounded = np.round(quantiles)
    ranks = np.array((0.0, *levels, 1.0))
    low = ranks[(rounded < demand[..., None]).sum(-1)]
    high = ranks[(rounded <= demand[..., None]).sum(-1) + 1]
    drawn = low + (high - low) * np.random.default_rng(seed).random(demand.shape)
    return np.asarray((drawn >= 0.1) & (drawn <= 0.9), float)
