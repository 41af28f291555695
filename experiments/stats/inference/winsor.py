"""Winsorised amounts: what is above a cap counts as the cap, so that one order does not decide a test."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def cap_from_history(amounts: ArrayLike, *, cut: float = 0.001) -> float:
    """Return the amount above which the share ``cut`` of past units lie; fix it before the test, for both arms.

    Args:
        amounts: (unit,) float64, >= 0: outcomes of units before the test, zeros left in, so that the share is of units.
        cut: share of the units that are cut, between 0 and 1.

    Raises:
        ValueError: where nothing of the history would be left below the cap, or it is empty.

    Source: Tukey (1962); Deng, Shi (2016), Data-Driven Metric Development for Online Controlled Experiments.
    """
    past = np.asarray(amounts, dtype=float)
    if past.ndim != 1 or len(past) == 0:
        raise ValueError(f"amounts: got shape {past.shape}; give a list of past outcomes, one a unit")
    if not 0 < cut < 1:
        raise ValueError(f"cut: got {cut}; give the share of units to cut, between 0 and 1")
    cap = float(np.quantile(past, 1 - cut, method="higher"))
    if not cap > 0:
        raise ValueError(f"cut: got {cut}; more than {1 - cut:.1%} of the units are 0: cut fewer")
    return cap


def winsorised(amounts: ArrayLike, cap: float) -> NDArray[np.float64]:
    """Return the amounts with those above the cap set to it. In a query: ``LEAST(amount, cap)``."""
    if not cap > 0:
        raise ValueError(f"cap: got {cap}; give an amount above 0, fixed before the test")
    return np.asarray(np.minimum(np.asarray(amounts, dtype=float), cap))
