"""An effect with its standard error, and the fixed test of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hold the effect of a treatment against control with its standard error.

    Args:
        effect: treatment − control, in the metric's unit; over the control's mean where ``relative``.
        standard_error: of the effect, same unit.
        control_mean, treatment_mean: the metric in each arm, not adjusted.
        n: units analysed in both arms (clusters, pairs or blocks where these are the units).
        degrees_of_freedom: of Student's t; inf for the normal distribution.
        relative: whether the effect is a share of the control's mean.
        variance_reduction: share of the variance that the adjustment took away; 0 without one.

    All are floats, or arrays of one shape where many experiments are estimated at once.
    """

    effect: Any
    standard_error: Any
    control_mean: Any
    treatment_mean: Any
    n: Any
    degrees_of_freedom: Any = np.inf
    relative: bool = False
    variance_reduction: Any = 0.0

    @property
    def z(self) -> Any:
        """The effect in standard errors, moved to the normal scale where t has few degrees of freedom."""
        return normal_score(self.effect, self.standard_error, self.degrees_of_freedom)

    def p_value(self, null: float = 0.0) -> Any:
        """Two-sided p-value of the fixed test that the effect is ``null``: valid at one look chosen in advance."""
        score = np.abs(normal_score(self.effect - null, self.standard_error, self.degrees_of_freedom))
        return plain(2 * ndtr(-score))

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """Interval of the fixed test: covers at one look chosen in advance."""
        half = t_quantile((1 - level) / 2, self.degrees_of_freedom) * self.standard_error
        return plain(self.effect - half), plain(self.effect + half)


def normal_score(effect: Any, standard_error: Any, degrees_of_freedom: Any = np.inf) -> Any:
    """Return the z with the tail of t = effect/standard_error; 0 where the standard error is not known (nan).

    A zero standard error with a zero effect is 0; with another effect it is ±inf.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num(
            np.asarray(effect, dtype=float) / np.asarray(standard_error, dtype=float),
            nan=0.0,
            posinf=np.inf,
            neginf=-np.inf,
        )
    degrees = np.nan_to_num(np.asarray(degrees_of_freedom, dtype=float), nan=1.0, posinf=np.inf)
    if np.all(np.isinf(degrees)):
        return plain(t)
    tail = stdtr(degrees, -np.abs(t))
    far = np.abs(t) / np.sqrt(1 + np.abs(t) / degrees)  # where the tail underflows only the sign matters
    score = np.where(tail > 0, -ndtri(np.maximum(tail, 1e-300)), far)
    return plain(np.sign(t) * np.where(np.isinf(degrees), np.abs(t), score))


def t_quantile(tail: float, degrees_of_freedom: Any) -> Any:
    degrees = np.asarray(degrees_of_freedom, dtype=float)
    return -np.where(np.isinf(degrees), ndtri(tail), stdtrit(np.where(np.isinf(degrees), 1, degrees), tail))


def plain(value: Any) -> Any:
    array = np.asarray(value, dtype=float)
    return array if array.ndim else float(array)
