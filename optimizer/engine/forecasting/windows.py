"""What a model reads of a panel at its last step: history, steps ahead, and the scale of each series."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .panel import Floats, SeriesPanel
from .price_response import deflated, reference_price
from .recent import recent_quantiles
from .segments import known_steps

FloatArray = NDArray[np.float32]
CHANNELS = 6
"""Of history before the calendar: size, sold or not, sold out, known, relative price, promotion."""
PRIOR_STEPS = 2.0
"""The category's mean counts as so many steps of a series' own."""


@dataclass(frozen=True)
class Windows:
    """Hold what a model reads.

    Args:
        history: (series, history, 6 + k) float32.
        ahead: (series, horizon, feature) float32, known of each step ahead, with the series' own recent demand.
        scale: (series,) float64, > 0, units a step; demand is forecast as a multiple of it.
    """

    history: FloatArray
    ahead: FloatArray
    scale: Floats


def windows(panel: SeriesPanel, history: int, horizon: int) -> Windows:
    """Return what is known at the end of the panel's history."""
    whole = np.where(known_steps(panel), deflated(panel), 0)
    demand, known = _recent(whole, history), _recent(known_steps(panel), history).astype(bool)
    scale = _scales(panel, demand, known)
    relative = np.log1p(demand / scale[:, None])
    log_price = np.log(panel.price / reference_price(panel)[:, None])
    calendar = _recent(panel.calendar[: panel.time].T, history).T
    channels = (
        relative,
        demand > 0,
        _recent(panel.sold_out, history),
        known,
        np.clip(_recent(log_price[:, : panel.time], history), -2, 2) * known,
        _recent(panel.promotion[:, : panel.time], history) * known,
    )
    series = len(panel)
    past = np.empty((series, history, CHANNELS + calendar.shape[1]), np.float32)
    for index, channel in enumerate(channels):
        past[:, :, index] = channel
    past[:, :, CHANNELS:] = calendar
    ahead = np.concatenate(
        (_ahead(panel, demand, known, scale, horizon), recent_quantiles(panel, whole / scale[:, None], horizon)), 2
    )
    return Windows(past, ahead, scale)


def _recent(values: Floats | NDArray[np.bool_], steps: int) -> Floats:
    """Return the last steps of (row, time), zeros before the first."""
    kept = values[:, -steps:]
    result = np.zeros((len(values), steps))
    result[:, steps - kept.shape[1] :] = kept
    return result


def _scales(panel: SeriesPanel, demand: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return each series' mean, drawn a little to its category's, and that to the panel's: never 0."""
    total, count = demand.sum(1), known.sum(1)
    everywhere = (total.sum() + 1e-3) / max(count.sum(), 1)
    sums = np.bincount(panel.category, total)
    counts = np.bincount(panel.category, count)
    category = (sums + 100 * everywhere) / (counts + 100)
    return np.asarray((total + PRIOR_STEPS * category[panel.category]) / (count + PRIOR_STEPS))


def _mean(demand: Floats, known: NDArray[np.bool_]) -> Floats:
    return np.asarray(demand.sum(1) / np.maximum(known.sum(1), 1))


def _ahead(panel: SeriesPanel, demand: Floats, known: NDArray[np.bool_], scale: Floats, horizon: int) -> FloatArray:
    """Return promotion, calendar, place in the horizon, and means of recent demand, of the same weekday too."""
    relative = demand / scale[:, None]
    week = 7 if panel.step_days == 1 else 1
    static = [np.log1p(_mean(relative[:, -n * week :], known[:, -n * week :])) for n in (1, 2, 4, 13)]
    static += [(demand > 0).sum(1) / np.maximum(known.sum(1), 1), np.log1p(relative.std(1)), np.log(scale)]
    static += [np.log(reference_price(panel)), np.log1p(known.sum(1)) / 5, _mean(demand, known) == 0]
    calendar = panel.calendar[panel.time : panel.time + horizon]
    ahead = np.empty((len(panel), horizon, len(static) + 6 + calendar.shape[1]), np.float32)
    ahead[:, :, : len(static)] = np.stack(static, 1)[:, None]
    column = len(static)
    for step in range(horizon):
        same = np.arange(demand.shape[1] - week + step % week, -1, -week)
        own, seen = relative[:, same], known[:, same]
        ahead[:, step, column] = np.log1p(_mean(own[:, :4], seen[:, :4]))
        ahead[:, step, column + 1] = np.log1p(_mean(own, seen))
        ahead[:, step, column + 2] = (own > 0).sum(1) / np.maximum(seen.sum(1), 1)
        ahead[:, step, column + 3] = np.log1p(own[:, 0])
    ahead[:, :, column + 4] = panel.promotion[:, panel.time : panel.time + horizon]
    ahead[:, :, column + 5] = np.arange(1, horizon + 1) / horizon
    ahead[:, :, column + 6 :] = calendar
    return ahead
