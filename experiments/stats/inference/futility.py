"""Bounds below which a test may stop because the hoped-for effect is no longer likely to be found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from experiments.stats.inference.boundaries import (
    HIGHEST_BOUND,
    LEAST_ERROR,
    Continuation,
    checked_information,
    next_of,
)
from experiments.stats.inference.spending import spent

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FutilityDesign:
    """Hold non-binding futility bounds: z below which the hoped-for effect is no longer likely to be found.

    Args:
        lower: (look,) z; −inf where nothing can be spent; at the last look the efficacy bound.
        drift: θ = effect·√information unit, at which the power is 1 − beta.
    """

    lower: Floats
    drift: float


def futility_bounds(
    information: ArrayLike,
    upper: ArrayLike,
    *,
    beta: float = 0.2,
    family: str = "obrien_fleming",
    parameter: float | None = None,
) -> FutilityDesign:
    """Return non-binding lower bounds of a one-sided test that spend beta; alpha holds whether they are kept or not.

    Under drift θ the chance to fall below is what the family allows at each look; θ is the one for which both bounds
    meet at the last look.

    Source: Pampallona, Tsiatis, Kim (2001); DeMets, Ware (1982).
    """
    looks = checked_information(information)
    shares = looks / looks[-1]
    allowed = np.atleast_1d(spent(family, beta, shares, parameter))
    efficacy = np.asarray(upper, dtype=float)

    def gap(drift: float) -> float:
        return float(_lower_bounds(looks, efficacy, allowed, drift)[-1] - efficacy[-1])

    scale = 1 / np.sqrt(looks[-1])
    drift = optimize.brentq(gap, 0.05 * scale, 12 * scale, xtol=1e-12 * scale)
    return FutilityDesign(_lower_bounds(looks, efficacy, allowed, drift), float(drift))


def _lower_bounds(looks: Floats, upper: Floats, allowed: Floats, drift: float) -> Floats:
    state, used, bounds = Continuation.start(), 0.0, []
    for information, high, allowance, following in zip(looks, upper, allowed, next_of(looks), strict=True):
        error, bound = allowance - used, -np.inf
        if error >= LEAST_ERROR:
            bound, used = _lower_bound_for(state, information, error, drift), allowance
        bounds.append(bound)
        state = state.go_on(min(bound, high), high, information, drift, following)
    return np.array(bounds)


def _lower_bound_for(state: Continuation, information: float, error: float, drift: float) -> float:
    def surplus(z: float) -> float:
        return float(np.log(max(state.below(z, information, drift), 1e-300) / error))

    if surplus(HIGHEST_BOUND) <= 0:
        return HIGHEST_BOUND
    return float(optimize.brentq(surplus, -40.0, HIGHEST_BOUND, xtol=1e-12))
