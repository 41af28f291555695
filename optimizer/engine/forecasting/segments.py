"""Kinds of demand: smooth, erratic, intermittent, lumpy (Syntetos, Boylan and Croston 2005), and cold start."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .panel import SeriesPanel

SEGMENTS: Final = ("smooth", "erratic", "intermittent", "lumpy", "cold start")
COLD: Final = 4
LONG_GAP: Final = 1.32
VARIED: Final = 0.49
COLD_DAYS: Final = 28


def known_steps(panel: SeriesPanel) -> NDArray[np.bool_]:
    """Return which steps of history a series was on sale, (series, time)."""
    return np.arange(panel.time)[None] >= panel.first[:, None]


def segments(panel: SeriesPanel) -> NDArray[np.int8]:
    """Return the index in ``SEGMENTS`` of each series, (series,).

    The mean gap between steps with demand (ADI) is long from 1.32 on, sizes vary from a squared coefficient of
    variation of 0.49 on. Fewer than 28 days known, or never a sale, is a cold start.
    """
    known = known_steps(panel)
    count = known.sum(1)
    sold = known & (panel.units > 0)
    sales = sold.sum(1)
    gap = count / np.maximum(sales, 1)
    mean = np.where(sold, panel.units, 0).sum(1) / np.maximum(sales, 1)
    spread = (np.where(sold, panel.units - mean[:, None], 0) ** 2).sum(1) / np.maximum(sales, 1)
    varied = spread / np.maximum(mean, 1e-12) ** 2 >= VARIED
    kind: NDArray[Any] = 2 * (gap >= LONG_GAP) + varied
    return np.where((count * panel.step_days < COLD_DAYS) | (sales == 0), COLD, kind).astype(np.int8)
