"""Boundaries of group-sequential tests by recursive numerical integration.

The score S = z·√I of a test statistic moves over information as Brownian motion with drift θ. The density of S among
tests that went on is carried from look to look on Gauss–Legendre nodes; what falls outside the bounds is the chance to
stop there. Source: Armitage, McPherson, Rowe (1969); Jennison, Turnbull (2000), ch. 19.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize
from scipy.special import ndtr, roots_legendre

from experiments.stats.inference.spending import spent

Floats = NDArray[np.float64]
WIDEST = 10.5
"""Standard deviations that the integration reaches: what is beyond is below 1e-25."""
HIGHEST_BOUND = 12.0
LEAST_ERROR = 1e-18
"""A look with less error to spend has no bound: it cannot stop the test."""
LEAST_NODES, MOST_NODES = 48, 4096
LEAST_STEP = 2e-4
"""A look nearer to the one before, as share of its information, is taken to be so far: its bound is a little wide."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """Hold where the score of tests that went on is: ``weights`` sum to the chance that a test goes on."""

    information: float
    nodes: Floats
    weights: Floats

    @classmethod
    def start(cls) -> "Continuation":
        return cls(0.0, np.zeros(1), np.ones(1))

    def above(self, z: float, information: float, drift: float = 0.0) -> float:
        """Return the chance to go on until now and then to have a statistic of at least z."""
        step = information - self.information
        return float(self.weights @ ndtr((self.nodes + drift * step - z * np.sqrt(information)) / np.sqrt(step)))

    def below(self, z: float, information: float, drift: float = 0.0) -> float:
        """Return the chance to go on until now and then to have a statistic of at most z."""
        step = information - self.information
        return float(self.weights @ ndtr((z * np.sqrt(information) - self.nodes - drift * step) / np.sqrt(step)))

    def go_on(
        self, low: float, high: float, information: float, drift: float = 0.0, following: float = np.inf
    ) -> "Continuation":
        """Return the tests whose statistic is between low and high at this look; ``following`` is the next look's
        information: where it is near, the nodes must be near as well."""
        step, scale = information - self.information, np.sqrt(information)
        centre = drift * information
        start = max(low * scale, centre - WIDEST * scale)
        stop = min(high * scale, centre + WIDEST * scale)
        if not stop > start:
            return Continuation(information, np.zeros(1), np.zeros(1))
        nodes, weights = _nodes(start, stop, np.sqrt(min(step, following - information)))
        gaps = (nodes[:, None] - self.nodes[None, :] - drift * step) / np.sqrt(step)
        density = np.exp(-0.5 * gaps**2) @ self.weights / np.sqrt(2 * np.pi * step)
        return Continuation(information, nodes, weights * density)


@lru_cache(maxsize=256)
def _legendre(count: int) -> tuple[Floats, Floats]:
    nodes, weights = roots_legendre(count)  # numpy's own takes cubic time: 20 s for 1,600 nodes, this 0.1 s
    return nodes, weights


def _nodes(start: float, stop: float, spread: float) -> tuple[Floats, Floats]:
    """Place nodes at 1.7 to a standard deviation of a step, more at the ends: the error is then below 1e-10."""
    wanted = int(np.ceil((stop - start) / spread * 1.7)) + 24
    count = int(np.clip(-(-wanted // 16) * 16, LEAST_NODES, MOST_NODES))
    nodes, weights = _legendre(count)
    half = (stop - start) / 2
    return start + half * (nodes + 1), half * weights


def spending_bounds(
    information: ArrayLike,
    *,
    alpha: float = 0.05,
    sides: int = 2,
    family: str = "obrien_fleming",
    parameter: float | None = None,
    time: ArrayLike | None = None,
) -> Floats:
    """Return the critical |z| (or z) of each look so that the error used by then is what the family allows.

    Args:
        information: (look,) > 0, rising; any unit (units counted, or 1/standard error²). Only ratios matter.
        alpha: the whole error; half of it for each side where ``sides`` is 2.
        time: (look,) share of the horizon at each look; the information itself unless given, which then is in shares.

    Returns:
        (look,) float64; inf where nothing can be spent.

    Raises:
        ValueError: where information does not rise or a number is out of range.
    """
    shares = np.asarray(information if time is None else time, dtype=float)
    looks = checked_information(information)
    if shares.shape != looks.shape or np.any(np.diff(shares) < 0):
        raise ValueError(f"time: got {shares.tolist()}; give one share of the horizon for each look, not falling")
    check_sides(sides)
    check_alpha(alpha)
    return np.array(_spending_bounds(tuple(looks), alpha, sides, family, parameter, tuple(shares)))


@lru_cache(maxsize=512)
def _spending_bounds(
    looks: tuple[float, ...], alpha: float, sides: int, family: str, parameter: float | None, shares: tuple[float, ...]
) -> tuple[float, ...]:
    allowed = spent(family, alpha / sides, np.array(shares), parameter)
    used, state, bounds = 0.0, Continuation.start(), []
    for information, allowance, following in zip(looks, np.atleast_1d(allowed), next_of(looks), strict=True):
        bound = _bound_for(state, information, allowance - used)
        bounds.append(bound)
        if np.isfinite(bound):
            used = allowance
        state = state.go_on(-bound if sides == 2 else -np.inf, bound, information, following=following)
    return tuple(bounds)


def _bound_for(state: Continuation, information: float, error: float, drift: float = 0.0) -> float:
    """Find the z above which the chance is ``error``."""
    if error < LEAST_ERROR:
        return np.inf

    def surplus(z: float) -> float:
        return float(np.log(max(state.above(z, information, drift), 1e-300) / error))

    low = -HIGHEST_BOUND
    if surplus(low) <= 0:
        return low
    return float(optimize.brentq(surplus, low, HIGHEST_BOUND, xtol=1e-12, rtol=1e-14))


def crossing_probabilities(
    information: ArrayLike, upper: ArrayLike, *, lower: ArrayLike | None = None, drift: float = 0.0
) -> tuple[Floats, Floats]:
    """Return the chance of stopping above and below at each look: two arrays (look,).

    Args:
        information: (look,) rising.
        upper: (look,) z bounds.
        lower: (look,) z bounds; −upper unless given.
        drift: θ, with E[z] = θ·√information.
    """
    looks = checked_information(information)
    floor = -np.asarray(upper, dtype=float) if lower is None else np.asarray(lower, dtype=float)
    state, above, below = Continuation.start(), [], []
    for point, low, high, following in zip(looks, floor, np.asarray(upper, dtype=float), next_of(looks), strict=True):
        above.append(state.above(high, point, drift))
        below.append(state.below(low, point, drift))
        state = state.go_on(low, high, point, drift, following)
    return np.array(above), np.array(below)


def next_of(looks: ArrayLike) -> Floats:
    """Return the information of the look after each; inf after the last."""
    return np.asarray(np.r_[np.asarray(looks, dtype=float)[1:], np.inf])


def checked_information(information: ArrayLike) -> Floats:
    looks = np.array(information, dtype=float)
    if looks.ndim != 1 or len(looks) == 0 or np.any(looks <= 0) or np.any(np.diff(looks) <= 0):
        raise ValueError(f"information: got {looks.tolist()}; give positive amounts that rise from look to look")
    if np.any(looks[1:] < looks[:-1] * (1 + LEAST_STEP)):
        for index in range(1, len(looks)):
            looks[index] = max(looks[index], looks[index - 1] * (1 + LEAST_STEP))
    return looks


def check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: got {alpha}; give an error rate between 0 and 1")


def check_sides(sides: int) -> None:
    if sides not in (1, 2):
        raise ValueError(f"sides: got {sides}; give 1 or 2")
