"""Mixture sequential probability ratio test of a difference of means, with an always-valid p-value."""

from typing import Any

import numpy as np


def mixture_likelihood_ratio(effect: Any, standard_error: Any, mixture_sd: float) -> Any:
    """Return Λ = √(V/(V + τ²))·exp(τ²·Δ²/(2·V·(V + τ²))), V the variance of the estimate Δ.

    Effects are mixed as Normal(0, τ²). Under no effect Λ is a martingale of mean 1, so it is ever above 1/α with
    probability at most α (Ville 1939).

    Args:
        effect, standard_error: (...) float64, of one look or many.
        mixture_sd: τ, in the effect's unit, > 0: how large effects usually are.

    Source: Robbins (1970); Johari, Koomen, Pekelis, Walsh (2022), Always Valid Inference, eq. 10.
    """
    if not mixture_sd > 0:
        raise ValueError(f"mixture_sd: got {mixture_sd}; give the size of usual effects, > 0, in the metric's unit")
    error, delta = np.asarray(standard_error, dtype=float), np.asarray(effect, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        variance, spread = error**2, mixture_sd**2
        log_ratio = 0.5 * np.log(variance / (variance + spread)) + spread * delta**2 / (
            2 * variance * (variance + spread)
        )
        ratio = np.exp(log_ratio)
    ratio = np.where(np.isnan(ratio), 1.0, ratio)
    return ratio if ratio.ndim else float(ratio)


def always_valid_p_values(effect: Any, standard_error: Any, mixture_sd: float) -> Any:
    """Return p = min over looks so far of 1/Λ, at most 1. Looks lie along the last axis."""
    with np.errstate(divide="ignore"):
        inverse = 1 / np.atleast_1d(mixture_likelihood_ratio(effect, standard_error, mixture_sd))
    return np.minimum.accumulate(np.minimum(inverse, 1.0), axis=-1)


def mixture_half_width(standard_error: Any, mixture_sd: float, alpha: float) -> Any:
    """Return half the width of the interval of effects that the test does not reject at this look.

    √(V·(V + τ²)/τ²·ln((V + τ²)/(V·α²)))
    """
    error = np.asarray(standard_error, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = error**2 + mixture_sd**2
        half = np.sqrt(error**2 * total / mixture_sd**2 * np.log(total / (error * alpha) ** 2))
    half = np.where(error > 0, half, np.where(np.isnan(error), np.inf, 0.0))
    return half if half.ndim else float(half)
