"""Before a test: how many units it needs, what it can find, how long it runs."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize
from scipy.special import ndtri

from experiments.stats.inference.boundaries import crossing_probabilities, spending_bounds


def sample_size(
    effect: float,
    variance: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    sides: int = 2,
    treatment_share: float = 0.5,
    correlation: float = 0.0,
    design_effect: float = 1.0,
    inflation: float = 1.0,
) -> float:
    """Return the units of both arms together that find a difference of means with the wanted power.

        n = (z_{1−α/sides} + z_{power})²·variance·(1 − ρ²)·(1/q + 1/(1 − q))/effect²·design effect·inflation

    Args:
        effect: difference of means to be found, in the metric's unit, not 0.
        variance: of the outcome of a unit, > 0.
        treatment_share: q, share of the units in treatment.
        correlation: ρ of the outcome with the covariate of CUPED.
        design_effect: of clusters, see ``design_effect``.
        inflation: of looking early, see ``inflation_factor``.
    """
    _positive("variance", variance)
    if effect == 0:
        raise ValueError("effect: got 0; give the smallest effect that matters, not 0")
    return float(
        _unit_factor(alpha, power, sides, treatment_share, correlation)
        * variance
        / effect**2
        * design_effect
        * inflation
    )


def minimum_detectable_effect(
    n: float,
    variance: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    sides: int = 2,
    treatment_share: float = 0.5,
    correlation: float = 0.0,
    design_effect: float = 1.0,
    inflation: float = 1.0,
) -> float:
    """Return the difference of means that n units of both arms together find with the wanted power."""
    _positive("n", n)
    _positive("variance", variance)
    factor = _unit_factor(alpha, power, sides, treatment_share, correlation)
    return float(np.sqrt(factor * variance * design_effect * inflation / n))


def duration_days(units: float, daily_units: float, *, whole_weeks: bool = True) -> int:
    """Return the days until so many units are in; whole weeks, so that each weekday counts alike."""
    _positive("daily_units", daily_units)
    days = max(int(np.ceil(units / daily_units - 1e-9)), 1)
    return -(-days // 7) * 7 if whole_weeks else days


def design_effect(cluster_size: float, intraclass_correlation: float, *, size_variation: float = 0.0) -> float:
    """Return how many times more units are needed where whole clusters are randomised.

        1 + ((cv² + 1)·m − 1)·ICC

    Args:
        cluster_size: m, mean units a cluster, >= 1.
        intraclass_correlation: ICC, share of the variance between clusters, 0..1.
        size_variation: cv, standard deviation of the sizes over their mean.

    Source: Kish (1965); Eldridge, Ashby, Kerry (2006) for unequal sizes.
    """
    if not 0 <= intraclass_correlation <= 1:
        raise ValueError(f"intraclass_correlation: got {intraclass_correlation}; give a share between 0 and 1")
    return 1 + ((size_variation**2 + 1) * cluster_size - 1) * intraclass_correlation


def inflation_factor(
    time: ArrayLike,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    sides: int = 2,
    family: str = "obrien_fleming",
    parameter: float | None = None,
) -> float:
    """Return how many times more units a group-sequential test plans than a fixed one of the same power.

    Args:
        time: (look,) shares of the planned information, rising to 1.
    """
    bounds = spending_bounds(time, alpha=alpha, sides=sides, family=family, parameter=parameter)
    fixed = ndtri(power) - ndtri(alpha / sides)
    lower = -bounds if sides == 2 else np.full(len(bounds), -np.inf)

    def missing(drift: float) -> float:
        above, _ = crossing_probabilities(time, bounds, lower=lower, drift=drift)
        return float(above.sum()) - power

    drift = optimize.brentq(missing, 0.5 * fixed, 3 * fixed, xtol=1e-10)
    return float((drift / fixed) ** 2 * np.asarray(time, dtype=float)[-1])


def _unit_factor(alpha: float, power: float, sides: int, treatment_share: float, correlation: float) -> float:
    for name, value in (("alpha", alpha), ("power", power), ("treatment_share", treatment_share)):
        if not 0 < value < 1:
            raise ValueError(f"{name}: got {value}; give a share between 0 and 1")
    if not -1 < correlation < 1:
        raise ValueError(f"correlation: got {correlation}; give one between -1 and 1")
    both = ndtri(power) - ndtri(alpha / sides)
    return float(both**2 * (1 - correlation**2) * (1 / treatment_share + 1 / (1 - treatment_share)))


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name}: got {value}; give a number above 0")
