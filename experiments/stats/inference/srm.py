"""Sample ratio mismatch: whether the arms hold as many units as they should. Looked at before anything else."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, gammaln

SRM_ALPHA = 0.01
"""One false alarm in a hundred tests, over a whole test's life."""
DIRICHLET_WEIGHT = 10_000.0
"""How firmly the alternative believes shares to be near the planned ones: finds mismatches of a percent or two."""


@dataclass(frozen=True, slots=True)
class SrmResult:
    """Hold what the counts of the arms say.

    Args:
        counts, expected_shares: an arm each, control first.
        p_value: sequential, the least so far: may be looked at any day.
        chi_square_p_value: of the last look alone; cries wolf where it is looked at daily.
        mismatch: whether p_value < alpha.
    """

    counts: tuple[int, ...]
    expected_shares: tuple[float, ...]
    p_value: float
    chi_square_p_value: float
    mismatch: bool


def chi_square_p_value(counts: ArrayLike, expected_shares: ArrayLike) -> Any:
    """Return Pearson's p-value that units fall on arms by their shares: ``counts: (..., arm)``, one look."""
    observed, shares = _checked(counts, expected_shares)
    expected = observed.sum(-1, keepdims=True) * shares
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.nan_to_num(((observed - expected) ** 2 / expected).sum(-1))
    p = chdtrc(len(shares) - 1, statistic)
    return p if np.ndim(p) else float(p)


def log_e_values(counts: ArrayLike, expected_shares: ArrayLike, weight: float = DIRICHLET_WEIGHT) -> Any:
    """Return the log of the Bayes factor of Dirichlet(weight·shares) against the planned shares.

        ln B = ln Γ(k) − ln Γ(k + n) + Σ [ln Γ(k·θ + s) − ln Γ(k·θ)] − Σ s·ln θ

    Under the planned shares B is a martingale of mean 1, unit by unit: it is ever above 1/α with probability at most α.

    Args:
        counts: (..., arm) units so far, cumulative.
        expected_shares: (arm,), > 0, sum 1.
        weight: k, > 0.

    Source: Lindon, Malek (2022), Anytime-Valid Inference for Multinomial Count Data.
    """
    observed, shares = _checked(counts, expected_shares)
    prior, n = weight * shares, observed.sum(-1)
    return (
        gammaln(weight)
        - gammaln(weight + n)
        + (gammaln(prior + observed) - gammaln(prior)).sum(-1)
        - (observed * np.log(shares)).sum(-1)
    )


def check_sample_ratio(
    counts: ArrayLike, expected_shares: ArrayLike, *, alpha: float = SRM_ALPHA, weight: float = DIRICHLET_WEIGHT
) -> SrmResult:
    """Check cumulative counts at every look so far: ``counts: (look, arm)``."""
    observed, shares = _checked(counts, expected_shares)
    looks = np.atleast_2d(observed)
    p_value = float(np.exp(np.minimum(-np.max(log_e_values(looks, shares, weight)), 0.0)))
    last = tuple(int(count) for count in looks[-1])
    return SrmResult(last, tuple(shares.tolist()), p_value, chi_square_p_value(looks[-1], shares), p_value < alpha)


def _checked(counts: ArrayLike, expected_shares: ArrayLike) -> tuple[Any, Any]:
    observed, shares = np.asarray(counts, dtype=float), np.asarray(expected_shares, dtype=float)
    if shares.ndim != 1 or np.any(shares <= 0) or abs(shares.sum() - 1) > 1e-9:
        raise ValueError(f"expected_shares: got {shares.tolist()}; give a share above 0 for each arm, sum 1")
    if observed.ndim == 0 or observed.shape[-1] != len(shares) or np.any(observed < 0):
        raise ValueError(f"counts: got shape {observed.shape}; give a count >= 0 for each of {len(shares)} arms")
    return observed, shares
