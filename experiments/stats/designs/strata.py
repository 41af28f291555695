"""Strata: classes of like units, of which every arm has its share."""

import numpy as np
from numpy.typing import ArrayLike

from experiments.stats.designs.hashing import Ints


def quantile_strata(values: ArrayLike, *, within: ArrayLike | None = None, classes: int = 4) -> Ints:
    """Put units into strata of equal numbers by a value, within groups such as categories.

    Args:
        values: (unit,) float64, finite: the metric before the start, or another value that foretells it.
        within: (unit,) int, the group of each unit; one for all unless given.
        classes: strata a group, >= 1; a group of fewer units has fewer.

    Returns:
        (unit,) int64, number of the stratum from 0.

    Raises:
        ValueError: values that are not finite, or no classes.
    """
    value = np.asarray(values, dtype=np.float64)
    if not np.isfinite(value).all() or classes < 1:
        raise ValueError(
            f"values: got {classes} classes of {len(value)} values; give finite values and 1 class or more"
        )
    group = np.zeros(len(value), dtype=np.int64) if within is None else np.asarray(within, dtype=np.int64)
    order = np.lexsort((value, group))
    _, start, size = np.unique(group[order], return_index=True, return_counts=True)
    rank = np.arange(len(value)) - np.repeat(start, size)
    level = rank * classes // np.repeat(size, size)
    strata = np.empty(len(value), dtype=np.int64)
    strata[order] = level
    return np.unique(np.stack([group, strata]), axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)
