"""The mean of a demand of which quantiles are known. Neither Django nor the engine is loaded here."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def expected_units(quantiles: ArrayLike, levels: Sequence[float]) -> NDArray[np.float64]:
    """Return the mean of each distribution.

    The mean is the integral of the quantile function. Between levels it is taken to be linear; below the lowest one it
    goes on as between the lowest two, not below 0; above the highest one the tail is exponential, with the rate that
    the highest two show: the mean of what lies above is q_k + (q_k - q_(k-1)) / ln((1 - l_(k-1)) / (1 - l_k)).

    Args:
        quantiles: (..., level), units, >= 0, ascending.
        levels: (level,), two at least, ascending, above 0 and below 1.

    Returns:
        (...), units, >= 0.

    Raises:
        ValueError: fewer than two levels, or not as many as quantiles.
    """
    values, at = np.asarray(quantiles, dtype=np.float64), np.asarray(levels, dtype=np.float64)
    if len(at) < 2 or values.shape[-1] != len(at) or not 0 < at[0] < at[-1] < 1 or (np.diff(at) <= 0).any():
        raise ValueError(f"levels: got {list(levels)} for {values.shape[-1]} quantiles; give one each, ascending")
    inside = np.trapezoid(values, at, axis=-1)
    slope = (values[..., 1] - values[..., 0]) / (at[1] - at[0])
    lowest = np.maximum(values[..., 0] - slope * at[0], 0.0)
    rate = math.log((1 - at[-2]) / (1 - at[-1]))
    above = values[..., -1] + (values[..., -1] - values[..., -2]) / rate
    return inside + at[0] * (lowest + values[..., 0]) / 2 + (1 - at[-1]) * above
