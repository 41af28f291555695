"""What a Gaussian likelihood needs to know of each series: sums of products, in one pass over the rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange

from ..pricing_arrays import Floats
from .lanes import LANES, every, load, load_eight, load_every, store
from .panel import SeriesPanel

SERIES_A_BLOCK = 1_024
ROWS_AT_ONCE = 4
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
    of_blocks = np.zeros((series + SERIES_A_BLOCK - 1) // SERIES_A_BLOCK)
    _moments(panel.features.ravel(), panel.target, panel.start, gram, cross, square, level, of_blocks)
    if not np.isfinite(of_blocks).all():
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
    features: Any, target: Any, start: Any, gram: Any, cross: Any, square: Any, level: Any, of_blocks: Any
) -> None:
    series, wide = len(start) - 1, cross.shape[1] - 1
    for block in prange(len(of_blocks)):
        first, last = block * SERIES_A_BLOCK, min(series, (block + 1) * SERIES_A_BLOCK)
        longest = 0
        for s in range(first, last):
            longest = max(longest, start[s + 1] - start[s])
        row, centred = np.empty((longest + ROWS_AT_ONCE) * wide + LANES), np.empty(longest + ROWS_AT_ONCE)
        products = np.empty((wide, LANES))
        for s in range(first, last):
            begin, rows = start[s], start[s + 1] - start[s]
            centred[:rows] = target[begin : begin + rows]
            row[: rows * wide] = features[begin * wide : (begin + rows) * wide]
            mean = 0.0
            for t in range(rows):
                mean += centred[t]
            mean /= max(rows, 1)
            total = 0.0
            for t in range(rows):
                centred[t] -= mean
                total += centred[t] * centred[t]
            level[s], square[s] = mean, total
            centred[rows : rows + ROWS_AT_ONCE] = 0.0
            row[rows * wide : (rows + ROWS_AT_ONCE) * wide + LANES] = 0.0
            cross[s, 0], gram[s, 0] = 0.0, rows  # centred targets sum to nothing
            _multiply(row, centred, rows, products, gram[s], cross[s])
            for i in range(wide + 1):
                total += gram[s, i * (i + 3) // 2]
            of_blocks[block] += total  # finite where all values are


@njit(fastmath=SUMS_MAY_BE_REORDERED, cache=True)
def _multiply(row: Any, centred: Any, rows: Any, products: Any, gram: Any, cross: Any) -> None:  # pragma: no cover
    """Set XᵀX and Xᵀy but for the column of ones, eight columns of X and four rows at a time.

    ``row`` is X, row after row, with zeros behind it: lanes beyond the last column hold numbers that are left out.
    """
    wide = len(products)
    for left in range(0, wide, LANES):
        columns = min(LANES, wide - left)
        sums, pull = every(0.0), every(0.0)
        for i in range(left, wide):
            store(products, i, sums)
        for t in range(0, rows, ROWS_AT_ONCE):
            a, b, c, d = t * wide, (t + 1) * wide, (t + 2) * wide, (t + 3) * wide
            of_a, of_b = load_eight(row, a + left), load_eight(row, b + left)
            of_c, of_d = load_eight(row, c + left), load_eight(row, d + left)
            sums += (of_a + of_b) + (of_c + of_d)
            pull += of_a * load_every(centred, t) + of_b * load_every(centred, t + 1)
            pull += of_c * load_every(centred, t + 2) + of_d * load_every(centred, t + 3)
            for i in range(left, wide):
                more = of_a * load_every(row, a + i) + of_b * load_every(row, b + i)
                more += of_c * load_every(row, c + i) + of_d * load_every(row, d + i)
                store(products, i, load(products, i) + more)
        for i in range(left, wide):
            place = (i + 1) * (i + 2) // 2 + left + 1
            for lane in range(min(columns, i - left + 1)):
                gram[place + lane] = products[i, lane]
        store(products, 0, sums)
        for lane in range(columns):
            i = left + lane + 1
            gram[i * (i + 1) // 2] = products[0, lane]
        store(products, 0, pull)
        for lane in range(columns):
            cross[left + lane + 1] = products[0, lane]
