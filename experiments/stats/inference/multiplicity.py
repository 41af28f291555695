"""Correction for asking about several metrics and arms at once."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CORRECTIONS = ("none", "bonferroni", "holm", "benjamini_hochberg")


def adjusted_p_values(p_values: ArrayLike, correction: str = "holm") -> NDArray[np.float64]:
    """Return p-values that may each be compared with the level of the whole family.

    Args:
        p_values: (test,) float64 in 0..1: all metrics and arms that a decision may rest on. Always-valid p-values give
            always-valid adjusted ones.
        correction: ``holm`` and ``bonferroni`` hold the chance of any false claim; ``benjamini_hochberg`` holds the
            expected share of claims that are false (independent or positively dependent tests); ``none`` holds neither.

    Raises:
        ValueError: for another correction, or p-values outside 0..1.

    Source: Holm (1979); Benjamini, Hochberg (1995).
    """
    p: NDArray[np.float64] = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not np.all((p >= 0) & (p <= 1)):
        raise ValueError(f"p_values: got {p.tolist()}; give a list of numbers between 0 and 1")
    if correction not in CORRECTIONS:
        raise ValueError(f"correction: got {correction!r}; give one of {', '.join(CORRECTIONS)}")
    count = len(p)
    if correction == "none" or count == 0:
        return p.copy()
    if correction == "bonferroni":
        return np.asarray(np.minimum(p * count, 1.0))
    order: Any = np.argsort(p)
    rank = np.arange(count)
    if correction == "holm":
        sorted_p = np.maximum.accumulate(p[order] * (count - rank))
    else:
        sorted_p = np.minimum.accumulate((p[order] * count / (rank + 1))[::-1])[::-1]
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(sorted_p, 1.0)
    return adjusted
