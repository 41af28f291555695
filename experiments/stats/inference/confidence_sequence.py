"""Asymptotic confidence sequences: intervals that hold at every look, however many there are."""

from typing import Any

import numpy as np
from scipy.special import log_ndtr

from experiments.stats.inference.estimate import plain

DEFAULT_TUNING_N = 5000.0
"""Units at which the sequence is tightest where no horizon is planned, as in gbstats."""


def mixture_scale(alpha: float) -> float:
    """Return ρ²·n*, which makes the two-sided sequence about tightest at n* units.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2021), Time-uniform central limit theory and asymptotic
    confidence sequences, section B.2 (first version, eq. 161).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: got {alpha}; give an error rate between 0 and 1")
    return float(-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1))


def sequence_multiplier(progress: Any, alpha: float, sides: int = 2) -> Any:
    """Return how many standard errors the interval of a confidence sequence reaches to each side.

    With v = ρ²·n,    multiplier = √((1 + 1/v)·ln((1 + v)/α²))    (two-sided)

    and one-sided the z at which the e-value of a half-normal mixture is 1/α.

    Args:
        progress: (...) float64, > 0: units so far over the units the sequence is tuned for, or information over
            information where units are not independent; inf width at 0.
        alpha: chance that the sequence ever leaves out the truth.
        sides: 1 or 2.

    Source: Waudby-Smith et al. (2021), theorem 2.2; Robbins (1970), Statistical methods related to the law of the
    iterated logarithm.
    """
    _check_sides(sides)
    v = mixture_scale(alpha) * np.asarray(progress, dtype=float)
    with np.errstate(divide="ignore"):
        two_sided = np.sqrt((1 + 1 / v) * np.log((1 + v) / alpha**2))
    if sides == 2:
        return plain(two_sided)
    low, high = np.zeros_like(two_sided), two_sided
    for _ in range(60):
        middle = (low + high) / 2
        with np.errstate(invalid="ignore"):
            reached = _log_e_value(middle, v, 1) >= -np.log(alpha)
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return plain(np.where(v > 0, high, np.inf))


def sequence_interval(effect: Any, standard_error: Any, progress: Any, alpha: float, sides: int = 2) -> tuple[Any, Any]:
    """Return the interval at each look: (low, high), each of the effect's shape; nan standard errors give ±inf.

    With ``sides=1`` both ends are one-sided bounds at alpha: use the one that the question is about.
    """
    half = np.asarray(sequence_multiplier(progress, alpha, sides)) * np.asarray(standard_error, dtype=float)
    half = np.where(np.isnan(half), np.inf, half)
    return plain(effect - half), plain(effect + half)


def sequence_p_value(z: Any, progress: Any, alpha: float, sides: int = 2) -> Any:
    """Return the p-value that belongs to one look: 1/e-value of the mixture, at most 1; its running minimum is valid.

    Args:
        z: (...) float64, the effect in standard errors; one-sided tests ask whether it is above 0.
        alpha: the level that tuned the mixture.
    """
    _check_sides(sides)
    v = mixture_scale(alpha) * np.asarray(progress, dtype=float)
    return plain(np.exp(np.minimum(-_log_e_value(np.asarray(z, dtype=float), v, sides), 0.0)))


def _log_e_value(z: Any, v: Any, sides: int) -> Any:
    two_sided = z**2 * v / (2 * (1 + v)) - np.log1p(v) / 2
    return two_sided if sides == 2 else two_sided + np.log(2) + log_ndtr(z * np.sqrt(v / (1 + v)))


def _check_sides(sides: int) -> None:
    if sides not in (1, 2):
        raise ValueError(f"sides: got {sides}; give 1 or 2")
