"""What models learn from: windows at many origins, and the demand that followed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .config import ForecasterConfig
from .panel import Floats, Ints, SeriesPanel
from .price_response import bounded, future_response
from .segments import COLD_DAYS
from .windows import Windows, windows

NEW = 0.1
"""This share of training series is shown as if it were new, so that models learn cold starts."""
UNSEEN = 0.3
"""Of those, this share is shown without any history."""
MOST_ORIGINS = 24
MOST_STEPS = 160_000
"""Of training; more series than fit are drawn from, so that memory and time stay within bounds."""


@dataclass(frozen=True)
class Examples:
    """Hold windows and the demand that followed.

    Args:
        read: the windows.
        demand: (series, horizon), units at the reference price.
        censored: (series, horizon) bool.
        valid: (series, horizon) bool, on sale since before the origin.
    """

    read: Windows
    demand: Floats
    censored: NDArray[np.bool_]
    valid: NDArray[np.bool_]


def examples_at(panel: SeriesPanel, origin: int, config: ForecasterConfig) -> Examples:
    """Return what was known at ``origin`` and what followed."""
    end = origin + config.horizon
    if end > panel.time:
        raise ValueError(f"origin: got {origin}; the panel's {panel.time} steps end before {end}")
    past = panel.until(origin, config.horizon)
    return Examples(
        windows(past, config.history, config.horizon),
        panel.units[:, origin:end] / bounded(future_response(past)),
        panel.sold_out[:, origin:end],
        np.broadcast_to((panel.first < origin)[:, None], (len(panel), config.horizon)),
    )


def training_examples(
    panel: SeriesPanel, origins: Sequence[int], config: ForecasterConfig, draw: np.random.Generator
) -> list[Examples]:
    """Return examples at each origin of series on sale by then, some as if new, at most 160,000 steps in all."""
    most = max(1, MOST_STEPS // (config.horizon * len(origins)))
    found = []
    for origin in origins:
        rows = np.flatnonzero(panel.first < origin)
        if not len(rows):
            continue  # nothing was on sale yet
        if len(rows) > most:
            rows = np.sort(draw.choice(rows, most, replace=False))
        shown = panel.rows(rows)
        new = as_if_new(shown, origin, draw)
        luck = draw.random(len(rows))
        first = np.where(luck < NEW * UNSEEN, origin, np.where(luck < NEW, new, shown.first))
        example = examples_at(replace(shown, first=first), origin, config)
        found.append(replace(example, valid=np.ones_like(example.valid)))
    return found


def as_if_new(panel: SeriesPanel, origin: int, draw: np.random.Generator) -> Ints:
    """Return for each series a first step within the last 28 days before ``origin``, one at which it sold.

    A listing is known from its first sale on, so that is how a new one looks. Where it did not sell then, its own.
    """
    begin = max(0, origin - COLD_DAYS // panel.step_days + 1)
    sold = panel.units[:, begin:origin] > 0
    chosen = np.where(sold, draw.random(sold.shape), -1.0)
    return np.where(sold.any(1), np.maximum(begin + chosen.argmax(1), panel.first), panel.first)


def training_origins(last: int, config: ForecasterConfig, step_days: int) -> list[int]:
    """Return origins whose demand ends by ``last``, apart by about a horizon's third, at most 24, the latest first."""
    least = max(1, 28 // step_days)
    stride = max(1, config.horizon // 5)
    if step_days == 1 and stride % 7 == 0:
        stride += 1  # origins on all weekdays
    return list(range(last - config.horizon, least - 1, -stride))[:MOST_ORIGINS]
