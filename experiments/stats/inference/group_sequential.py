"""Read a test that spends its error over planned looks: bounds, repeated intervals, adjusted p-value and estimate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from experiments.stats.inference.boundaries import Continuation, checked_information, spending_bounds

Floats = NDArray[np.float64]
LEAST_P = 1e-12


@dataclass(frozen=True, slots=True)
class SpendingPlan:
    """State how the error is spent: fixed before the test.

    Args:
        alpha: the whole error.
        sides: 1 or 2.
        family, parameter: see ``spending.spent``.
    """

    alpha: float = 0.05
    sides: int = 2
    family: str = "obrien_fleming"
    parameter: float | None = None

    def bounds(self, information: Floats, time: Floats) -> Floats:
        return spending_bounds(
            information, alpha=self.alpha, sides=self.sides, family=self.family, parameter=self.parameter, time=time
        )


@dataclass(frozen=True, slots=True)
class StagewiseResult:
    """Hold what is estimated after the test stopped, by the order of stages.

    Args:
        p_value: for the sides of the plan; below alpha exactly where a bound was crossed.
        estimate: median-unbiased: as often too high as too low.
        low, high: interval at 1 − alpha that agrees with the p-value.
    """

    p_value: float
    estimate: float
    low: float
    high: float


def first_crossing(z: ArrayLike, bounds: ArrayLike, sides: int = 2) -> int | None:
    """Return the index of the first look at which the bound is reached, or None."""
    score = np.abs(np.asarray(z, dtype=float)) if sides == 2 else np.asarray(z, dtype=float)
    reached = score >= np.asarray(bounds, dtype=float)
    return int(np.argmax(reached)) if reached.any() else None


def repeated_intervals(effect: ArrayLike, standard_error: ArrayLike, bounds: ArrayLike) -> tuple[Floats, Floats]:
    """Return effect ± bound·standard error at each look: together they cover with 1 − alpha, stopped or not.

    Source: Jennison, Turnbull (1989).
    """
    half = np.asarray(bounds, dtype=float) * np.asarray(standard_error, dtype=float)
    half = np.where(np.isnan(half), np.inf, half)
    return np.asarray(effect, dtype=float) - half, np.asarray(effect, dtype=float) + half


def repeated_p_value(z: ArrayLike, information: ArrayLike, time: ArrayLike, plan: SpendingPlan) -> float:
    """Return the least alpha at which the plan would have crossed a bound by now: valid at any look.

    Source: Jennison, Turnbull (2000), section 9.5.
    """
    score = np.abs(np.asarray(z, dtype=float)) if plan.sides == 2 else np.asarray(z, dtype=float)
    looks, shares = np.asarray(information, dtype=float), np.asarray(time, dtype=float)

    def excess(log_alpha: float) -> float:
        wanted = SpendingPlan(float(np.exp(log_alpha)), plan.sides, plan.family, plan.parameter)
        return float(np.clip(np.max(score - wanted.bounds(looks, shares)), -50.0, 50.0))

    most = np.log(0.999999)
    if excess(most) < 0:
        return 1.0
    if excess(np.log(LEAST_P)) >= 0:
        return LEAST_P
    return float(np.exp(optimize.brentq(excess, np.log(LEAST_P), most, xtol=1e-7)))


def stagewise_result(
    z: float,
    standard_error: float,
    information: ArrayLike,
    bounds: ArrayLike,
    *,
    alpha: float = 0.05,
    sides: int = 2,
) -> StagewiseResult:
    """Analyse a test that stopped at the last of these looks.

    Outcomes are ordered by the look at which they stop, then by z: P(more extreme upward) = Σ P(crossed above before) +
    P(went on, Z ≥ z). The estimate is the effect at which that is a half; the ends of the interval, α/2 and 1 − α/2.

    Args:
        z: statistic at the stop.
        standard_error: of the effect at the stop.
        information, bounds: (look,) up to and with the stop.

    Source: Tsiatis, Rosner, Mehta (1984); Fairbanks, Madsen (1982).
    """
    looks, upper = checked_information(information), np.asarray(bounds, dtype=float)
    lower = -upper if sides == 2 else np.full(len(upper), -np.inf)
    scale = np.sqrt(looks[-1])

    def upward(drift: float) -> float:
        return _more_extreme_upward(z, looks, lower, upper, drift)

    def effect_at(chance: float) -> float:
        low, high = (z - 12) / scale, (z + 12) / scale
        while upward(low) > chance:
            low -= 12 / scale
        while upward(high) < chance:
            high += 12 / scale
        drift = optimize.brentq(lambda value: upward(value) - chance, low, high, xtol=1e-10 / scale)
        return float(drift * scale * standard_error)

    above = upward(0.0)
    p_value = above if sides == 1 else min(2 * min(above, 1 - above), 1.0)
    tail = alpha / 2
    return StagewiseResult(p_value, effect_at(0.5), effect_at(tail), effect_at(1 - tail))


def _more_extreme_upward(z: float, looks: Floats, lower: Floats, upper: Floats, drift: float) -> float:
    state, chance = Continuation.start(), 0.0
    for information, low, high, following in zip(looks[:-1], lower[:-1], upper[:-1], looks[1:], strict=True):
        chance += state.above(high, information, drift)
        state = state.go_on(low, high, information, drift, following)
    return chance + state.above(z, looks[-1], drift)
