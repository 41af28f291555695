"""What models learn from: windows at many origins, and the demand that followed."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .config import ForecasterConfig
from .panel import Floats, SeriesPanel
from .price_response import bounded, future_response
from .windows import Windows, windows

HIDDEN_HISTORY = 0.1
"""This share of training series is shown without history, so that the network learns cold starts."""
MOST_ORIGINS = 24


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


def examples_at(
    panel: SeriesPanel, origin: int, config: ForecasterConfig, hidden: NDArray[Any] | None = None
) -> Examples:
    """Return what was known at ``origin`` and what followed; ``hidden`` series (bool) are shown without history."""
    end = origin + config.horizon
    if end > panel.time:
        raise ValueError(f"origin: got {origin}; the panel's {panel.time} steps end before {end}")
    past = panel.until(origin, config.horizon)
    valid = np.broadcast_to((panel.first < origin)[:, None], (len(panel), config.horizon))
    if hidden is not None:
        past = replace(past, first=np.where(hidden, origin, past.first))
    return Examples(
        windows(past, config.history, config.horizon),
        panel.units[:, origin:end] / bounded(future_response(past)),
        panel.sold_out[:, origin:end],
        valid,
    )


def training_origins(last: int, config: ForecasterConfig, step_days: int) -> list[int]:
    """Return origins whose demand ends by ``last``, apart by about a horizon's third, at most 24, the latest first."""
    least = max(1, 28 // step_days)
    stride = max(1, config.horizon // 5)
    if step_days == 1 and stride % 7 == 0:
        stride += 1  # origins on all weekdays
    return list(range(last - config.horizon, least - 1, -stride))[:MOST_ORIGINS]
