"""Likelihoods that are not Gaussian, as Gaussians that touch them at the coefficients of the moment.

A row's log likelihood around η = level + βᵀx is that of a Gaussian observation z with weight w: sums of products of
weighted rows then stand for the data, and a few rounds come to the mode and the curvature there (Laplace).

Source: McCullagh & Nelder (1989), section 2.5 (iterated weighted least squares); Tobin (1958); Gelman et al. (2013),
section 16.2.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit, prange
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .moments import SERIES_A_BLOCK, Moments
from .panel import SeriesPanel

LEAST_WEIGHT: Final = 1e-6
LEAST_DISPERSION, MOST_DISPERSION, ROWS_FOR_DISPERSION = 1e-4, 20.0, 50_000
MOST_LOG_RATE: Final = 20.0


def censored_moments(panel: SeriesPanel, known: Moments, mean: Floats, noise: Floats, series: Ints) -> Moments:
    """Return the moments with those of some series taken anew, in which censored weeks stand for what they hide.

    Args:
        panel: the rows, with ``censored``.
        known: moments of all series.
        mean: (series, k) coefficients around each series' level.
        noise: (series,) noise variance.
        series: those with censored rows.
    """
    assert panel.censored is not None
    anew = known.copy()
    _censored(
        panel.features,
        panel.target,
        panel.censored,
        panel.start,
        series,
        known.level,
        mean,
        noise,
        anew.gram,
        anew.cross,
        anew.square,
    )
    return anew


def count_moments(panel: SeriesPanel, known: Moments, mean: Floats, dispersion: float) -> Moments:
    """Return moments that stand for counts of variance μ + dispersion·μ², under a noise variance of 1."""
    anew = known.copy()
    _counts(panel.features, panel.target, panel.start, known.level, mean, dispersion, anew.gram, anew.cross)
    return anew


@njit(fastmath=True, cache=True)
def _add(features: Any, row: Any, weight: Any, apart: Any, gram: Any, cross: Any) -> None:  # pragma: no cover
    place = 0
    for i in range(len(cross)):
        left = weight if i == 0 else weight * features[row, i - 1]
        cross[i] += left * apart
        for j in range(i + 1):
            gram[place] += left if j == 0 else left * features[row, j - 1]
            place += 1


@njit(fastmath=True, cache=True)
def _at(features: Any, row: Any, mean: Any) -> Any:  # pragma: no cover  (compiled)
    total = mean[0]
    for f in range(len(mean) - 1):
        total += mean[f + 1] * features[row, f]
    return total


@njit(parallel=True, cache=True)
def _censored(  # pragma: no cover  (compiled)
    features: Any,
    target: Any,
    censored: Any,
    start: Any,
    series: Any,
    level: Any,
    mean: Any,
    noise: Any,
    gram: Any,
    cross: Any,
    square: Any,
) -> None:
    for block in prange((len(series) + SERIES_A_BLOCK - 1) // SERIES_A_BLOCK):
        for place in range(block * SERIES_A_BLOCK, min(len(series), (block + 1) * SERIES_A_BLOCK)):
            s = series[place]
            gram[s], cross[s], square[s] = 0.0, 0.0, 0.0
            sd = math.sqrt(noise[s])
            for row in range(start[s], start[s + 1]):
                apart, weight = target[row] - level[s], 1.0
                if censored[row]:
                    expected = _at(features, row, mean[s])
                    hidden = (apart - expected) / sd
                    hazard = _hazard(hidden)
                    weight = min(max(hazard * (hazard - hidden), LEAST_WEIGHT), 1.0)
                    apart = expected + sd * hazard / weight
                    # what E[(y − η)²] has more than the working observation's square
                    square[s] += noise[s] * (1.0 + hidden * hazard - hazard * hazard / weight)
                square[s] += weight * apart * apart
                _add(features, row, weight, apart, gram[s], cross[s])


@njit(cache=True)
def _hazard(z: Any) -> Any:  # pragma: no cover  (compiled)
    """Return φ(z)/(1 − Φ(z)); far out by its continued fraction."""
    if z > 8.0:
        return z + 1.0 / (z + 2.0 / (z + 3.0 / (z + 4.0 / z)))
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) / (0.5 * math.erfc(z / math.sqrt(2.0)))


@njit(parallel=True, cache=True)
def _counts(  # pragma: no cover  (compiled)
    features: Any, target: Any, start: Any, level: Any, mean: Any, dispersion: Any, gram: Any, cross: Any
) -> None:
    series = len(start) - 1
    for block in prange((series + SERIES_A_BLOCK - 1) // SERIES_A_BLOCK):
        for s in range(block * SERIES_A_BLOCK, min(series, (block + 1) * SERIES_A_BLOCK)):
            gram[s], cross[s] = 0.0, 0.0
            for row in range(start[s], start[s + 1]):
                expected = _at(features, row, mean[s])
                rate = math.exp(min(max(level[s] + expected, -MOST_LOG_RATE), MOST_LOG_RATE))
                weight = rate / (1.0 + dispersion * rate)
                _add(features, row, weight, expected + (target[row] - rate) / rate, gram[s], cross[s])


def count_level(panel: SeriesPanel) -> Floats:
    """Return the log of each series' mean count, half a unit added: of a series that never sold something is left."""
    rows = np.diff(panel.start)
    total = np.add.reduceat(np.append(panel.target, 0).astype(np.float64), panel.start[:-1])
    return np.log((np.where(rows > 0, total, 0.0) + 0.5) / np.maximum(rows, 1))


def dispersion_of(panel: SeriesPanel, level: Floats, mean: Floats) -> float:
    """Return the dispersion under which the counts are most probable, given the coefficients.

    Source: Hilbe (2011), section 8.3 (NB2 likelihood).
    """
    series = panel.series
    slopes = mean[series]
    rate = np.exp(level[series] + slopes[:, 0] + (slopes[:, 1:] * panel.features).sum(1))
    rate, counts = rate[:: _every(len(rate))], panel.target[:: _every(len(rate))].astype(np.float64)

    def loss(log_dispersion: float) -> float:
        size = np.exp(-log_dispersion)
        each = gammaln(counts + size) - gammaln(size) + size * np.log(size) + counts * np.log(rate)
        return -float((each - (counts + size) * np.log(size + rate)).sum())

    found = minimize_scalar(loss, bounds=(np.log(LEAST_DISPERSION), np.log(MOST_DISPERSION)), method="bounded")
    return float(np.exp(found.x))


def _every(rows: int) -> int:
    return max(1, rows // ROWS_FOR_DISPERSION)
