"""Quantiles and intervals that hold what they say on steps that were held out: split conformal prediction.

Each quantile is moved by the conformal quantile of its own errors (Romano, Patterson and Candès 2019, one-sided), as a
multiple of the series' scale, by segment and by block of the horizon; then each is at least the one below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .panel import Floats, Ints
from .segments import SEGMENTS

PRIOR_STEPS = 300
"""A segment's block with so many steps is half way between its own and that of all: few say little."""
BLOCKS = 4
SURELY_ZERO = 0.5
"""Counts below this are 0: where the 10 % quantile is below, the interval begins at 0 and ends at the 80 % quantile."""
INTERVAL: Final = 0.8


Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Calibration:
    """Hold by how many scales quantiles and interval ends are moved.

    Args:
        levels: of the quantiles.
        quantiles: (segment, block, level).
        intervals: (segment, block, 2): of intervals from 0, and of those with two ends.
    """

    levels: tuple[float, ...]
    quantiles: Floats
    intervals: Floats

    def calibrated(self, raw: Floats, scale: Floats, segment: Ints) -> Floats:
        """Return quantiles (series, horizon, level), moved, ordered, 0 or more."""
        moved = raw + self.quantiles[segment][:, _blocks(raw.shape[1])] * scale[:, None, None]
        return np.asarray(np.maximum.accumulate(np.maximum(moved, 0), -1))

    def interval80(self, raw: Floats, scale: Floats, segment: Ints) -> Floats:
        """Return intervals (series, horizon, 2) that hold 80 % of demand, as far as counts allow."""
        ends, one_sided = _raw_ends(raw, self.levels)
        block = _blocks(raw.shape[1])
        offset = np.where(one_sided, self.intervals[segment][:, block, 0], self.intervals[segment][:, block, 1])
        offset = offset * scale[:, None]
        low = np.where(one_sided, 0, np.maximum(ends[..., 0] - offset, 0))
        return np.stack((low, np.maximum(ends[..., 1] + offset, low)), -1)


def _blocks(horizon: int) -> Ints:
    """Return the block of each step ahead, (horizon,)."""
    return np.arange(horizon) * min(BLOCKS, horizon) // horizon


def _raw_ends(raw: Floats, levels: Sequence[float]) -> tuple[Floats, Bools]:
    """Return the ends before calibration, and where they begin at 0."""
    at = {level: index for index, level in enumerate(levels)}
    one_sided = raw[..., at[0.1]] < SURELY_ZERO
    high = np.where(one_sided, raw[..., at[0.8]], raw[..., at[0.9]])
    return np.stack((np.where(one_sided, 0, raw[..., at[0.1]]), high), -1), one_sided


def _conformal(errors: Floats, level: float) -> float:
    """Return the error that a share ``level`` of new ones stays below (Vovk 2005: (n + 1)·level of n)."""
    if not len(errors):
        return 0.0
    place = min(len(errors), int(np.ceil((len(errors) + 1) * level))) - 1
    return float(np.partition(errors, place)[place])


def calibrate(
    raw: Floats,
    demand: Floats,
    valid: Bools,
    scale: Floats,
    segment: Ints,
    levels: tuple[float, ...],
) -> Calibration:
    """Return the calibration of quantiles against what was held out.

    Args:
        raw: (series, horizon, level).
        demand: (series, horizon).
        valid: (series, horizon) bool, steps to learn from.
        scale: (series,), > 0.
        segment: (series,) int.
        levels: (level,).
    """
    block = _blocks(raw.shape[1])
    ends, one_sided = _raw_ends(raw, levels)
    missed = np.where(one_sided, demand - ends[..., 1], np.maximum(ends[..., 0] - demand, demand - ends[..., 1]))
    missed, errors = missed / scale[:, None], (demand[..., None] - raw) / scale[:, None, None]
    quantiles = np.zeros((len(SEGMENTS), block.max() + 1, len(levels)))
    intervals = np.zeros((len(SEGMENTS), block.max() + 1, 2))
    for part in range(block.max() + 1):
        in_block = valid & (block == part)
        for index, level in enumerate(levels):
            quantiles[:, part, index] = _offsets(errors[..., index], in_block, segment, level)
        for sides, those in enumerate((one_sided, ~one_sided)):
            intervals[:, part, sides] = _offsets(missed, in_block & those, segment, INTERVAL)
    return Calibration(levels, quantiles, intervals)


def _offsets(errors: Floats, use: Bools, segment: Ints, level: float) -> Floats:
    """Return the conformal quantile of each segment's errors, drawn to that of all, (segment,)."""
    everywhere, found = _conformal(errors[use], level), np.zeros(len(SEGMENTS))
    for kind in range(len(SEGMENTS)):
        own = errors[use & (segment == kind)[:, None]]
        share = len(own) ** 2 / (len(own) ** 2 + PRIOR_STEPS**2)
        found[kind] = share * _conformal(own, level) + (1 - share) * everywhere
    return found
