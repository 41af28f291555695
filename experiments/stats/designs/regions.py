"""Regions: a place sees one arm throughout. Drawn by hash alone, as the storefront does when a request names one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from experiments.stats.designs.hashing import Floats, hashed_arms


def region_shares(salt: str, regions: Sequence[str], weights: ArrayLike, shares: Sequence[int]) -> Floats:
    """Return the share of the weight that each arm has: before the start, whether the draw is balanced enough.

    A salt whose draw is not may be replaced while the experiment is a draft; once it runs, never.

    Args:
        regions: (region,) names as price requests give them.
        weights: (region,) float64, >= 0, not all 0: orders, or people.
        shares: (arm,) basis points, > 0, summing to 10,000.

    Returns:
        (arm,) float64, summing to 1.

    Raises:
        ValueError: no weight at all.
    """
    weight = np.asarray(weights, dtype=np.float64)
    if not len(weight) or weight.min() < 0 or weight.sum() <= 0:
        raise ValueError(f"weights: got {weight.sum():g} in {len(weight)} regions; give weights that are not all 0")
    arms = hashed_arms(salt, regions, shares)
    totals: Floats = np.bincount(arms, weights=weight, minlength=len(shares)) / weight.sum()
    return totals
