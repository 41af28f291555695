"""What a Gaussian likelihood needs to know of each series: sums of products, in one pass over the rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange

from ..pricing_arrays import Floats
from .panel import SeriesPanel

SERIES_A_BLOCK = 1_024
SUMS_MAY_BE_REORDERED = {"reassoc", "contract", "nsz"}  # but a value that is not finite stays so


@dataclass(frozen=True, slots=True)
class Moments:
    """Hold XᵀX, Xᵀy and yᵀy of each series; X has a leading column of ones, y is centred around the series' mean.

    Args:
        gram: (series, k(k+1)/2) float64, lower triangles, row by row.
        cross: (series, k) float64.
        square: (series,) float64.
        level: (series,) float64, mean of y; 0 without rows.
        count: (series,) float64, rows.
    """

    gram: Floats
    cross: Floats
    square: Floats
    level: Floats
    count: Floats

    def __len__(self) -> int:
        return len(self.count)

    def copy(self) -> "Moments":
        """Return a copy whose sums may be changed."""
        return Moments(self.gram.copy(), self.cross.copy(), self.square.copy(), self.level, self.count)


def moments(panel: SeriesPanel) -> Moments:
    """Return the moments of every series of a panel.

    Raises:
        ValueError: a value that is not finite; the message names where.
    """
    series, k = len(panel), panel.features.shape[1] + 1
    gram, cross = np.empty((series, k * (k + 1) // 2)), np.empty((series, k))
    square, level = np.empty(series), np.empty(series)
    _moments(panel.features, panel.target, panel.start, gram, cross, square, level)
    _require_finite(panel, gram, square)
    return Moments(gram, cross, square, level, np.diff(panel.start).astype(np.float64))


def _require_finite(panel: SeriesPanel, gram: Floats, square: Floats) -> None:
    for number, name in enumerate(("target", *panel.names)):
        sums = square if number == 0 else gram[:, number * (number + 3) // 2]
        wrong = np.flatnonzero(~np.isfinite(sums))
        if len(wrong):
            raise ValueError(f"{name}: series {wrong[0]} has a value that is not finite; leave out what is not known")


@njit(parallel=True, fastmath=SUMS_MAY_BE_REORDERED, cache=True)
def _moments(  # pragma: no cover  (compiled)
    features: Any, target: Any, start: Any, gram: Any, cross: Any, square: Any, level: Any
) -> None:
    series, k = len(start) - 1, features.shape[1] + 1
    for block in prange((series + SERIES_A_BLOCK - 1) // SERIES_A_BLOCK):
        first, last = block * SERIES_A_BLOCK, min(series, (block + 1) * SERIES_A_BLOCK)
        longest = 0
        for s in range(first, last):
            longest = max(longest, start[s + 1] - start[s])
        column, centred = np.ones((k, longest)), np.empty(longest)
        for s in range(first, last):
            begin, rows = start[s], start[s + 1] - start[s]
            total = 0.0
            for t in range(rows):
                total += target[begin + t]
            level[s] = total / max(rows, 1)
            total = 0.0
            for t in range(rows):
                centred[t] = target[begin + t] - level[s]
                total += centred[t] * centred[t]
                for f in range(k - 1):
                    column[f + 1, t] = features[begin + t, f]
            square[s] = total
            place = 0
            for i in range(k):
                total = 0.0
                for t in range(rows):
                    total += column[i, t] * centred[t]
                cross[s, i] = total
                for j in range(i + 1):
                    total = 0.0
                    for t in range(rows):
                        total += column[i, t] * column[j, t]
                    gram[s, place] = total
                    place += 1
