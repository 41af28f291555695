"""Whether instruments say enough, and intervals that hold even where they do not."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from catalog.guardrails import Ints

from ..pricing_arrays import Floats

GRID: Final = 2_001
NEAR: Final = 20
FURTHEST: Final = 1e4
"""Elasticities beyond which nothing is looked for."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Hold what the instruments say of outcome and price, one row a cluster, all else taken out of the three.

    Args:
        outcome, price: (cluster, instrument) sums of instrument × column.
        gram: (instrument, instrument) Z′Z.
        price_error: (cluster, instrument) sums of instrument × what the instruments leave of the price.
    """

    outcome: Floats
    price: Floats
    gram: Floats
    price_error: Floats

    @classmethod
    def of(cls, outcome: Floats, price: Floats, instruments: Floats, clusters: Ints) -> "Scores":
        """Add rows up by cluster."""
        _, cluster = np.unique(clusters, return_inverse=True)
        slope = np.linalg.lstsq(instruments, price, rcond=None)[0]

        def sums(column: Floats) -> Floats:
            return np.stack([np.bincount(cluster, each * column) for each in instruments.T], axis=1)

        return cls(sums(outcome), sums(price), instruments.T @ instruments, sums(price - instruments @ slope))


def effective_f(scores: Scores) -> float:
    """Return the effective first-stage F, robust to clusters: below 10 an instrument is called weak.

    With one instrument it is the robust F.

    Source: Montiel Olea & Pflueger (2013).
    """
    total = scores.price.sum(0)
    variance = scores.price_error.T @ scores.price_error
    inverse = np.linalg.inv(scores.gram)
    return float(total @ inverse @ total / np.trace(variance @ inverse))


def anderson_rubin(scores: Scores, elasticity: float) -> float:
    """Return the Anderson–Rubin statistic at an elasticity, robust to clusters: χ² with a degree an instrument.

    Source: Anderson & Rubin (1949); Chernozhukov & Hansen (2008) for the robust form.
    """
    each = scores.outcome - elasticity * scores.price
    total, centred = each.sum(0), each - each.mean(0)
    return float(total @ np.linalg.solve(centred.T @ centred, total))


def anderson_rubin_intervals(scores: Scores, probability: float) -> tuple[tuple[float, float], ...]:
    """Return the elasticities that the Anderson–Rubin test does not reject: intervals, some perhaps without end.

    No interval at all means that the instruments contradict each other.
    """
    critical = float(stats.chi2.ppf(probability, scores.gram.shape[0]))

    def excess(elasticity: float) -> float:
        return anderson_rubin(scores, elasticity) - critical

    # The tangent of an angle runs over all elasticities, densest around those that are usual.
    usual = np.tan(np.linspace(-1, 1, GRID) * np.arctan(FURTHEST / 2)) * 2
    # And closely around the estimate, whose interval may be narrower than the steps.
    centre, sd = _estimate(scores)
    points = np.union1d(usual, np.clip(centre + sd * np.linspace(-NEAR, NEAR, GRID), -FURTHEST, FURTHEST))
    values = np.array([excess(point) for point in points])
    inside = values <= 0
    ends: list[float] = [-np.inf] if inside[0] else []
    for left in np.flatnonzero(inside[1:] != inside[:-1]):
        ends.append(float(brentq(excess, points[left], points[left + 1])))
    if inside[-1]:
        ends.append(np.inf)
    return tuple(zip(ends[::2], ends[1::2], strict=True))


def _estimate(scores: Scores) -> tuple[float, float]:
    """Return the elasticity by two-stage least squares, and its standard error robust to clusters."""
    outcome, price = scores.outcome.sum(0), scores.price.sum(0)
    inverse = np.linalg.inv(scores.gram)
    strength = float(price @ inverse @ price)
    centre = float(price @ inverse @ outcome) / strength
    each = (scores.outcome - centre * scores.price) @ inverse @ price
    return centre, max(float(np.sqrt((each**2).sum())) / strength, 1e-9)
