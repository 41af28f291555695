"""How common each curve of a library is among contexts, estimated from all of them (empirical Bayes)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from experiments.stats.demand_library import DemandLibrary

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

BASE_STRENGTH: Final = 5.0
"""The base of each set of weights counts as so many contexts."""
LEVEL_STRENGTH: Final = 0.03
"""The same for levels. They are known from all outcomes together, and a tail of levels that no context has costs much:
with 0.2 or free weights regret in a shop was half a point to a point higher."""
FAMILY_BASE: Final = (0.9, 0.05, 0.05)
"""Logistic until shown otherwise. With equal weights for all shapes a shop with 30 purchases a context took its noise
for cliffs, and lost 2 points of regret."""


@dataclass(frozen=True)
class LibraryPrior:
    """A prior over curves: π(curve) = shape_weight · level_weight.

    Shape and level are independent, and so are midpoint and slope of the logistic family. That keeps a hundred contexts
    from being fitted by a hundred single curves. The logarithm of the level is normal, with mean and variance learned:
    two numbers for what often hardly varies.
    """

    shape_weight: Floats
    level_weight: Floats

    @classmethod
    def base(cls, library: DemandLibrary) -> "LibraryPrior":
        """Return the prior before any outcome.

        `FAMILY_BASE`; even within the other families and over levels; in the logistic one normal in the midpoint and
        lognormal in the slope: a ladder stands where its shop expects demand to turn, and steps and lines are rare.
        """
        midpoint, slope = library.midpoints, np.log(library.slopes)
        by_midpoint = np.exp(-0.5 * ((midpoint - 0.5) / 0.4) ** 2)
        by_slope = np.exp(-0.5 * ((slope - np.log(0.15)) / 0.7) ** 2)
        within = [np.outer(by_midpoint, by_slope).ravel(), *(np.ones(size) for size in library.families[1:])]
        shape = np.concatenate([w * part / part.sum() for w, part in zip(FAMILY_BASE, within, strict=True)])
        return cls(shape, np.full(len(library.levels), 1 / len(library.levels)))

    @cached_property
    def weights(self) -> Singles:
        """(curve,) float32, sums to 1."""
        return np.outer(self.shape_weight, self.level_weight).ravel().astype(np.float32)

    def mixed(self, other: "LibraryPrior", share: float) -> "LibraryPrior":
        """Return this prior with a share of another."""
        return LibraryPrior(
            (1 - share) * self.shape_weight + share * other.shape_weight,
            (1 - share) * self.level_weight + share * other.level_weight,
        )

    def learned(self, library: DemandLibrary, likelihood: Singles, base: "LibraryPrior", rounds: int) -> "LibraryPrior":
        """Return the prior after so many steps of expectation maximisation.

        weight ∝ β·base + Σ_c P(curve | outcomes of context c), summed over the curves that the weight belongs to

        Args:
            library: the curves.
            likelihood: (context, curve) float32, of each context's outcomes up to a factor.
            base: what the weights are shrunk to, worth β = 5 contexts.
            rounds: steps; every one raises the posterior density of the weights.

        Source: Dempster, Laird and Rubin (1977), section 4.3; as empirical Bayes: Laird (1978).
        """
        prior = self
        for _ in range(rounds):
            expected = prior.weights * ((1 / (likelihood @ prior.weights)) @ likelihood)
            by_curve = expected.reshape(len(prior.shape_weight), -1).astype(np.float64)
            level = _normal(np.log(library.levels), by_curve.sum(axis=0), base.level_weight)
            prior = LibraryPrior(_shape_weight(library, by_curve.sum(axis=1), base), level)
        return prior


def _shape_weight(library: DemandLibrary, expected: Floats, base: LibraryPrior) -> Floats:
    """Return the new weights of the shapes from how many contexts are expected to have each."""
    posterior = BASE_STRENGTH * base.shape_weight + expected
    cuts = np.cumsum(library.families)[:-1]
    own, at_base = np.split(expected, cuts), np.split(base.shape_weight, cuts)
    family = np.array([part.sum() for part in np.split(posterior, cuts)])
    table, table_base = (part[0].reshape(len(library.midpoints), -1) for part in (own, at_base))
    table_base = table_base / table_base.sum()
    margins = [
        _margin(table.sum(axis=1), table_base.sum(axis=1)),
        _margin(table.sum(axis=0), table_base.sum(axis=0)),
    ]
    within = [np.outer(*margins).ravel()]
    for seen, start in zip(own[1:], at_base[1:], strict=True):
        weight = BASE_STRENGTH * start / start.sum() + seen
        within.append(weight / weight.sum())
    shares = family / family.sum()
    return np.concatenate([share * part for share, part in zip(shares, within, strict=True)])


def _margin(expected: Floats, base: Floats) -> Floats:
    """Return free weights of the points of one axis."""
    weight = BASE_STRENGTH * base + expected
    return np.asarray(weight / weight.sum())


def _normal(at: Floats, expected: Floats, base: Floats) -> Floats:
    """Return normal weights of evenly spaced points, with their expected mean and variance.

    A standard deviation of less than half a step would keep the mean where it is, however wrong.
    """
    weight = LEVEL_STRENGTH * base + expected
    weight /= weight.sum()
    mean = weight @ at
    variance = np.maximum(weight @ (at - mean) ** 2, (0.5 * (at[1] - at[0])) ** 2)
    normal = np.exp(-0.5 * (at - mean) ** 2 / variance)
    return np.asarray(normal / normal.sum())
