"""What a forecaster expected of the steps that it did not learn from, beside what sold. Only workers load this file."""

from datetime import timedelta
from typing import Any, Final

import numpy as np

from catalog.models import Listing
from optimizer.engine.forecasting import SEGMENTS, Forecaster
from optimizer.engine.pricing_arrays import Floats
from optimizer.expected_units import expected_units
from optimizer.models import ForecastStep
from optimizer.services.forecast_panel import ChannelPanel

BEFORE: Final = 2
"""Horizons of sales that are kept beside the held-out one."""

MEDIAN: Final = 0.5
DIGITS: Final = 3


def held_out_steps(made: Forecaster, found: ChannelPanel, origin: int, step: str) -> dict[str, Any]:
    """Return sales and forecast of the held-out steps, JSON-able: in total, and of the best seller of each segment.

    ``days`` are first days of steps, as ISO text; the last ``horizon`` of them are held out. ``middle`` is the mean of
    the total and the median of a product; ``low`` and ``high`` are ends of 80 % intervals, those of the total the sums
    of all products' ends: as if all moved together.
    """
    horizon = made.config.horizon
    past = found.panel.until(origin, horizon)
    forecast = made.forecast(past)
    begin = max(0, origin - BEFORE * horizon)
    sold = found.panel.units[:, begin : origin + horizon]
    middle = forecast.quantiles[..., _place(forecast.levels)]
    mean = expected_units(forecast.quantiles, forecast.levels).sum(axis=0)
    series = [_series("", "", sold.sum(axis=0), mean, forecast.interval80.sum(axis=0))]
    chosen = _best_sellers(forecast.segment, sold[:, -horizon:].sum(axis=1))
    skus = dict(
        Listing.objects.filter(pk__in=[int(found.listing_ids[row]) for row in chosen.values()]).values_list(
            "pk", "product__sku"
        )
    )
    for kind, row in chosen.items():
        sku = skus.get(int(found.listing_ids[row]), "")
        series.append(_series(sku, SEGMENTS[kind], sold[row], middle[row], forecast.interval80[row]))
    days = ForecastStep(step).days
    first = found.first + timedelta(days=begin * days)
    return {
        "days": [(first + timedelta(days=days * each)).isoformat() for each in range(sold.shape[1])],
        "horizon": horizon,
        "series": series,
    }


def _place(levels: tuple[float, ...]) -> int:
    return int(np.argmin(np.abs(np.array(levels) - MEDIAN)))


def _best_sellers(segment: np.ndarray, units: Floats) -> dict[int, int]:
    """Return by segment the series that sold most; none of a segment in which nothing sold."""
    found = {}
    for kind in range(len(SEGMENTS)):
        rows = np.flatnonzero(segment == kind)
        if len(rows) and units[rows].max() > 0:
            found[kind] = int(rows[units[rows].argmax()])
    return found


def _series(sku: str, segment: str, sold: Floats, middle: Floats, interval: Floats) -> dict[str, Any]:
    return {
        "sku": sku,
        "segment": segment,
        "sold": np.round(sold, DIGITS).tolist(),
        "middle": np.round(middle, DIGITS).tolist(),
        "low": np.round(interval[:, 0], DIGITS).tolist(),
        "high": np.round(interval[:, 1], DIGITS).tolist(),
    }
