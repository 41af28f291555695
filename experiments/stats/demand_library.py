"""A library of demand curves over one ladder of prices."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]

LEAST_RATE: Final = 1e-5
NEIGHBOURHOOD: Final = 0.06
"""Root mean square distance between shapes at which one drifts into the other with weight exp(−1/2)."""


@dataclass(frozen=True)
class DemandLibrary:
    """Every curve is a shape times a level: P(purchase at arm k) = level · shape_k.

    Attributes:
        shapes: (shape, arm) float64, share of interested shoppers who pay the price, 0 to 1.
        levels: (level,) float64, share of shoppers who are interested, 0 to 1.
        midpoints: (midpoint,) float64, slopes: (slope,) float64; the first family, the logistic one, has all pairs.
        families: number of shapes of each family; they stand one after the other.
    """

    shapes: Floats
    levels: Floats
    midpoints: Floats
    slopes: Floats
    families: tuple[int, ...]

    @cached_property
    def rates(self) -> Floats:
        """(curve, arm) float64; curve = shape · number of levels + level; never 0 or 1, whose logs are infinite."""
        rates = self.shapes[:, None] * self.levels[:, None]
        return np.clip(rates.reshape(-1, self.shapes.shape[1]), LEAST_RATE, 1 - LEAST_RATE)

    @cached_property
    def rate_products(self) -> NDArray[np.float32]:
        """(curve, arm · arm) float32: the products of the rates of two arms, for second moments."""
        return (self.rates[:, :, None] * self.rates[:, None]).reshape(len(self.rates), -1).astype(np.float32)

    @cached_property
    def shape_drift(self) -> Floats:
        """(shape, shape) float64, rows sum to 1: where a shape goes when it drifts, by distance."""
        distance = np.sqrt(((self.shapes[:, None] - self.shapes) ** 2).mean(axis=2))
        kernel = np.exp(-0.5 * (distance / NEIGHBOURHOOD) ** 2)
        return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))

    @cached_property
    def level_drift(self) -> Floats:
        """(level, level) float64, rows sum to 1: a level stays with weight 2 or goes to a neighbour with weight 1."""
        count = len(self.levels)
        kernel = 2 * np.eye(count) + np.eye(count, k=1) + np.eye(count, k=-1)
        return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))


def demand_library(arms: int, *, midpoints: int = 33, slopes: int = 7, levels: int = 24) -> DemandLibrary:
    """Return the library that policies use by default, for so many evenly spaced prices.

    With x from 0 (lowest price) to 1 (highest):

    - logistic: 1/(1 + exp((x − m)/s)), m evenly from −0.2 to 1.4, s geometrically from 0.02 (a step) to 0.5 (a line);
    - two segments: a·logistic(m₁, s) + (1 − a)·logistic(m₂, s), where m₁ < m₂ and s = 0.04;
    - cliffs: a share of 0.9 up to one price, a third or a tenth of it beyond;
    - levels geometrically from 0.01 to 1.

    Ranges are wider than any shop's: the prior over the curves is learned.

    Raises:
        ValueError: arms is less than 1.
    """
    if arms < 1:
        raise ValueError(f"arms is {arms}: give at least 1")
    x = np.linspace(0, 1, arms)
    m, s = np.linspace(-0.2, 1.4, midpoints), np.geomspace(0.02, 0.5, slopes)
    logistic = expit((m[:, None, None] - x) / s[:, None]).reshape(-1, arms)
    middles = np.linspace(0, 1.25, 7)
    segments = [
        a * expit((low - x) / 0.04) + (1 - a) * expit((high - x) / 0.04)
        for low, high in combinations(middles, 2)
        for a in (0.35, 0.65)
    ]
    cliffs = [np.where(np.arange(arms) <= edge, 0.9, 0.9 * rest) for edge in range(arms) for rest in (0.1, 0.3)]
    return DemandLibrary(
        shapes=np.array([*logistic, *segments, *cliffs]),
        levels=np.geomspace(0.01, 1, levels),
        midpoints=m,
        slopes=s,
        families=(len(logistic), len(segments), len(cliffs)),
    )
