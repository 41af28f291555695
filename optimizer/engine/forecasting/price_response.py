"""How demand answers to price: by the elasticity, and nothing else."""

import numpy as np

from .panel import Floats, SeriesPanel

MOST_DEFLATION = 10.0
"""History is not deflated further: a price once mistyped would outweigh all other steps."""


def reference_price(panel: SeriesPanel) -> Floats:
    """Return the price in force at the end of history, (series,)."""
    return panel.price[:, panel.time - 1]


def future_response(panel: SeriesPanel) -> Floats:
    """Return (p / p_ref)^e of the steps ahead, (series, horizon): falls with price for every e <= 0."""
    ratio = panel.price[:, panel.time :] / reference_price(panel)[:, None]
    return np.asarray(ratio ** panel.elasticity[:, None])


def deflated(panel: SeriesPanel) -> Floats:
    """Return the units that would have sold at the reference price, (series, time)."""
    ratio = panel.price[:, : panel.time] / reference_price(panel)[:, None]
    response = np.clip(ratio ** panel.elasticity[:, None], 1 / MOST_DEFLATION, MOST_DEFLATION)
    return np.asarray(panel.units / response)
