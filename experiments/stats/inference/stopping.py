"""When to stop: for benefit, for harm, for futility."""

import numpy as np
from scipy.special import ndtr

BENEFIT, HARM, FUTILITY, CONTINUE, FINISHED = "benefit", "harm", "futility", "continue", "finished"
SRM, GUARDRAIL = "srm", "guardrail"
DECISIONS = (CONTINUE, BENEFIT, HARM, FUTILITY, FINISHED, SRM, GUARDRAIL)
LEAST_TIME = 0.25
"""Futility by conditional power is not asked before a quarter of the horizon: the trend says little until then."""


def conditional_power(z: float, time: float, final_bound: float, drift: float | None = None) -> float:
    """Return the chance that the final statistic is above its bound, given today's.

        Φ((z·√t + θ·(1 − t) − c)/√(1 − t))

    Args:
        z: today's statistic, positive where better.
        time: t, share of the planned information, 0 < t <= 1.
        final_bound: c.
        drift: θ, the expected final statistic under the effect that is hoped for; today's trend z/√t unless given.

    Source: Lan, Simon, Halperin (1982); Proschan, Lan, Wittes (2006), ch. 3.
    """
    if time >= 1:
        return float(z >= final_bound)
    if not time > 0:
        raise ValueError(f"time: got {time}; give the share of the planned information, above 0")
    theta = z / np.sqrt(time) if drift is None else drift
    return float(ndtr((z * np.sqrt(time) + theta * (1 - time) - final_bound) / np.sqrt(1 - time)))


def is_futile_by_power(
    z: float, time: float, final_bound: float, *, threshold: float, drift: float | None, sides: int
) -> bool:
    """Tell whether finding a benefit (or, two-sided, anything) by the end is less likely than the threshold.

    Where an effect is hoped for, the better of it and of the trend counts. Stopping for this never adds false
    positives: the bounds are those of a test that goes on.
    """
    directions = (z,) if sides == 1 else (z, -z)
    hopes = [None] if drift is None else [None, abs(drift)]
    return max(conditional_power(score, time, final_bound, hope) for score in directions for hope in hopes) < threshold


def is_futile_by_interval(low: float, high: float, minimum_effect: float, higher_is_better: bool, sides: int) -> bool:
    """Tell whether an interval that holds at every look leaves no effect as large as the smallest that matters."""
    best, worst = (high, low) if higher_is_better else (-low, -high)
    return best < minimum_effect and (sides == 1 or worst > -minimum_effect)


def decision_of_direction(effect: float, higher_is_better: bool) -> str:
    """Name what a shown effect is."""
    return BENEFIT if (effect > 0) == higher_is_better else HARM
