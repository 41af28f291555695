"""Sufficient statistics of an arm: they add up, and every test here needs no more of the raw rows."""

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Number = float | int | Decimal | NDArray[np.float64]
Floats = NDArray[np.float64] | float


@dataclass(frozen=True, slots=True)
class Moments:
    """Hold the count and the sums of y, y², x, x² and x·y over the units of one arm.

    y is the outcome of a unit. x is what the metric needs beside it: its value before the test (CUPED), the
    denominator of a ratio, the size of a cluster, or the control member of a pair.

    Sums that are int or Decimal, as a database returns them, are centred exactly. Float sums lose about
    mean²/variance · 1e-16 of the variance, relatively: where values are far from zero with a small spread, subtract a
    constant from all y of both arms first; differences do not change. Arrays are many experiments at once, in float64.

    Args:
        n: units, >= 0; a scalar or an array, as the sums.
        sum_y, sum_y2, sum_x, sum_x2, sum_xy: sums over the units, in the units of y, y², x, x², x·y.

    Raises:
        ValueError: where n or a sum of squares is negative, or a sum is not finite.
    """

    n: Any
    sum_y: Any
    sum_y2: Any
    sum_x: Any = 0
    sum_x2: Any = 0
    sum_xy: Any = 0

    def __post_init__(self) -> None:
        for name in ("n", "sum_y2", "sum_x2"):
            if np.any(np.asarray(getattr(self, name), dtype=float) < 0):
                raise ValueError(f"{name}: got {getattr(self, name)}; give a count and sums of squares, which are >= 0")
        if not all(np.all(np.isfinite(np.asarray(getattr(self, f.name), dtype=float))) for f in fields(self)):
            raise ValueError("sums: got one that is not finite; leave out units without a finite outcome")

    @classmethod
    def of(cls, y: ArrayLike, x: ArrayLike | None = None) -> "Moments":
        """Add up the units along the last axis. ``y, x: (..., unit) float64``."""
        outcome = np.asarray(y, dtype=float)
        other = np.zeros_like(outcome) if x is None else np.asarray(x, dtype=float)
        if outcome.shape != other.shape:
            raise ValueError(f"x: got shape {other.shape}; give one value for each y, shape {outcome.shape}")
        count = outcome.shape[-1] if outcome.ndim == 1 else np.full(outcome.shape[:-1], float(outcome.shape[-1]))
        return cls(
            count,
            outcome.sum(-1),
            (outcome**2).sum(-1),
            other.sum(-1),
            (other**2).sum(-1),
            (outcome * other).sum(-1),
        )

    @classmethod
    def of_conversions(cls, n: Any, conversions: Any) -> "Moments":
        """Take ``conversions`` ones among ``n`` units."""
        return cls(n, conversions, conversions)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(*(_sum(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(*(_sum(getattr(self, f.name), -getattr(other, f.name)) for f in fields(self)))

    def without_x(self) -> "Moments":
        """Return the same outcomes without a second variable."""
        return replace(self, sum_x=0, sum_x2=0, sum_xy=0)

    @property
    def mean(self) -> Any:
        """Mean of y; nan where there is no unit."""
        return _over(self.sum_y, self.n)

    @property
    def mean_x(self) -> Any:
        """Mean of x; nan where there is no unit."""
        return _over(self.sum_x, self.n)

    @property
    def variance(self) -> Any:
        """Sample variance of y (n − 1); nan below two units."""
        return _covariance(self.n, self.sum_y, self.sum_y, self.sum_y2)

    @property
    def variance_x(self) -> Any:
        """Sample variance of x (n − 1)."""
        return _covariance(self.n, self.sum_x, self.sum_x, self.sum_x2)

    @property
    def covariance(self) -> Any:
        """Sample covariance of y and x (n − 1)."""
        return _covariance(self.n, self.sum_y, self.sum_x, self.sum_xy)


def _sum(first: Any, second: Any) -> Any:
    """Add two sums; a Decimal beside a float becomes a float."""
    if isinstance(first, Decimal) != isinstance(second, Decimal) and not (
        isinstance(first, int) or isinstance(second, int)
    ):
        first, second = (float(part) if isinstance(part, Decimal) else part for part in (first, second))
    return first + second


def _over(total: Any, count: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = np.asarray(total, dtype=float) / np.asarray(count, dtype=float)
    return quotient if quotient.ndim else float(quotient)


def _covariance(count: Any, first: Any, second: Any, product: Any) -> Any:
    """Centre a sum of products: (Σab − Σa·Σb/n)/(n − 1), exactly where all are int or Decimal."""
    parts = (count, first, second, product)
    if any(isinstance(part, np.ndarray) and part.ndim for part in parts):
        number = np.asarray(count, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(number > 1, (product - first * second / number) / (number - 1), np.nan)
    if count < 2:
        return float("nan")
    if any(isinstance(part, float) for part in parts):
        return float((float(product) - float(first) * float(second) / float(count)) / (float(count) - 1))
    exact, a, b, ab = (Fraction(part.item() if isinstance(part, np.generic) else part) for part in parts)
    return float((ab - a * b / exact) / (exact - 1))
