"""The step of a season ago, with normal quantiles of its errors (Hyndman and Athanasopoulos 2021, 5.5)."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from .panel import Floats, SeriesPanel
from .price_response import deflated
from .segments import known_steps


def seasonal_naive(panel: SeriesPanel, levels: Sequence[float], horizon: int) -> Floats:
    """Return quantiles of demand at the reference price, (series, horizon, level), 0 or more.

    The season is a week of days; of weeks, the step before. A standard deviation of the errors, times the root of how
    many seasons a step is ahead.
    """
    demand, known = deflated(panel), known_steps(panel)
    season = 7 if panel.step_days == 1 else 1
    demand = np.where(known, demand, 0)
    if panel.time < season:
        demand = np.pad(demand, ((0, 0), (season - panel.time, 0)))
    last = demand[:, -season:][:, np.arange(horizon) % season]
    pairs = known[:, :-season]
    errors = (
        np.where(pairs, demand[:, season:] - demand[:, :-season], 0)
        if panel.time > season
        else np.zeros((len(panel), 1))
    )
    deviation = np.sqrt((errors**2).sum(1) / np.maximum(pairs.sum(1), 1)) if panel.time > season else last.mean(1)
    wide = deviation[:, None] * np.sqrt(1 + np.arange(horizon) // season)
    return np.asarray(np.maximum(last[..., None] + wide[..., None] * ndtri(np.array(levels)), 0))
