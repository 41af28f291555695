"""Classical bounds at equally spaced looks: O'Brien and Fleming, Pocock, Wang and Tsiatis."""

import numpy as np
from scipy import optimize

from experiments.stats.inference.boundaries import check_alpha, check_sides, crossing_probabilities


def classical_constant(looks: int, *, alpha: float = 0.05, sides: int = 2, shape: float = 0.0) -> float:
    """Return c of the Wang–Tsiatis bounds z_k = c·(k/K)^(shape − 1/2) at K equally spaced looks.

    ``shape=0`` is O'Brien and Fleming (1979), ``shape=0.5`` Pocock (1977). Source: Wang, Tsiatis (1987).
    """
    check_sides(sides)
    check_alpha(alpha)
    if looks < 1:
        raise ValueError(f"looks: got {looks}; give one or more")
    information = np.arange(1, looks + 1) / looks

    def surplus(constant: float) -> float:
        upper = constant * information ** (shape - 0.5)
        lower = -upper if sides == 2 else np.full(looks, -np.inf)
        above, _ = crossing_probabilities(information, upper, lower=lower)
        return float(above.sum()) - alpha / sides

    return float(optimize.brentq(surplus, 0.05, 10.0, xtol=1e-12))
