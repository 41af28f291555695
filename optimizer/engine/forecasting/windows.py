"""What a model reads of a panel at its last step: history, steps ahead, and the scale of each series."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .panel import Floats, SeriesPanel
from .price_response import deflated, reference_price
from .segments import known_steps

FloatArray = NDArray[np.float32]
CHANNELS = 6
"""Of history before the calendar: size, sold or not, sold out, known, relative price, promotion."""
SPREAD_LEVELS = (0.1, 0.35, 0.5, 0.65, 0.8, 0.95)
"""Empirical quantiles that are read of recent steps, and of the same weekday's; they took 0.6 % off LightGBM's loss."""
SPREAD_WEEKS = (8, 26)
SAME_WEEKS = 13
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
    ahead = np.concatenate((_ahead(panel, demand, known, scale, horizon), _spreads(panel, whole, scale, horizon)), 2)
    return Windows(past, ahead, scale)


def _spreads(panel: SeriesPanel, demand: Floats, scale: Floats, horizon: int) -> FloatArray:
    """Return empirical quantiles of recent demand over scale: of all steps, and of those of the same weekday."""
    known, week = known_steps(panel), 7 if panel.step_days == 1 else 1
    relative = (demand / scale[:, None]).astype(np.float32)
    lately = [_quantiles(relative[:, -weeks * week :], known[:, -weeks * week :]) for weeks in SPREAD_WEEKS]
    static = np.concatenate(lately, 1)
    same = []
    for day in range(min(week, horizon)):
        at = np.arange(panel.time - week + day, -1, -week)[:SAME_WEEKS]
        same.append(_quantiles(relative[:, at], known[:, at]))
    spreads = np.empty((len(panel), horizon, static.shape[1] + len(SPREAD_LEVELS)), np.float32)
    spreads[:, :, : static.shape[1]] = static[:, None]
    spreads[:, :, static.shape[1] :] = np.stack(same, 1)[:, np.arange(horizon) % week]
    return np.log1p(spreads)


def _quantiles(values: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    """Return the quantiles of each row's known values, (row, level), linear between ranks; 0 where none is known."""
    if not values.shape[1]:
        return np.zeros((len(values), len(SPREAD_LEVELS)), np.float32)
    ordered = np.sort(np.where(known, values, np.inf), 1)
    place = np.maximum(known.sum(1) - 1, 0)[:, None] * np.array(SPREAD_LEVELS)
    low = place.astype(int)
    high = np.minimum(low + 1, np.maximum(known.sum(1) - 1, 0)[:, None])
    below, above = np.take_along_axis(ordered, low, 1), np.take_along_axis(ordered, high, 1)
    with np.errstate(invalid="ignore"):
        found = below + (place - low) * (above - below)
    return np.where(known.any(1)[:, None], found, 0).astype(np.float32)


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
