"""How demand answers to price: by the elasticity, and nothing else."""

import numpy as np

from .panel import Floats, SeriesPanel

MOST_DEFLATION = 10.0
"""History is not deflated further: a price once mistyped would outweigh all other steps."""


def reference_price(panel: SeriesPanel) -> Floats:
    """Return the price in force at the end of history, (series,)."""
    return panel.price[:, panel.time - 1]


def bounded(response: Floats) -> Floats:
    """Return responses between 1/10 and 10: by no more is demand brought to the reference price."""
    return np.clip(response, 1 / MOST_DEFLATION, MOST_DEFLATION)


def future_response(panel: SeriesPanel) -> Floats:
    """Return (p / p_ref)^e of the steps ahead, (series, horizon): falls with price for every e <= 0."""
    ratio = panel.price[:, panel.time :] / reference_price(panel)[:, None]
    return np.asarray(ratio ** panel.elasticity[:, None])


def deflated(panel: SeriesPanel) -> Floats:
    """Return the units that would have sold at the reference price, (series, time)."""
    ratio = panel.price[:, : panel.time] / reference_price(panel)[:, None]
    return np.asarray(panel.units / bounded(ratio ** panel.elasticity[:, None]))
