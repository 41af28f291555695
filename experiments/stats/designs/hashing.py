"""Salted hashing: the same unit lands in the same bucket everywhere and always, and no two salts agree.

Pure. Whoever has the salt can repeat every draw of an experiment.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from catalog.arms import SHARES, drawn_arm

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BUCKETS = SHARES
_WHOLE = 2.0**64


def points(salt: str, units: Iterable[str]) -> Floats:
    """Return where each unit falls in [0, 1).

        u = SHA-256(salt:unit), its first eight bytes read as a number, over 2^64

    Args:
        salt: of the layer or experiment.
        units: names; a name always gives the same point.

    Returns:
        (unit,) float64 in [0, 1), uniform over names.
    """
    return np.fromiter((_number(salt, unit) / _WHOLE for unit in units), dtype=np.float64)


def buckets(salt: str, units: Iterable[str]) -> Ints:
    """Return each unit's bucket of a layer, 0 to 9,999: (unit,) int64."""
    return np.fromiter((_number(salt, unit) * BUCKETS >> 64 for unit in units), dtype=np.int64)


def hashed_arms(salt: str, units: Iterable[str], shares: Sequence[int]) -> Ints:
    """Draw an arm for each unit by hash alone, as the storefront does for regions.

    Args:
        shares: (arm,) basis points, > 0, summing to 10,000.

    Returns:
        (unit,) int64, index of the arm.
    """
    require_shares(shares)
    return np.fromiter((drawn_arm(salt, unit, shares) for unit in units), dtype=np.int64)


def uniformity_p_value(counts: ArrayLike, shares: ArrayLike) -> float:
    """Return the chance of counts at least as uneven, where every unit is drawn by these shares (chi-square test).

    Args:
        counts: (cell,) units that fell into each cell.
        shares: (cell,) > 0, in any unit: what each cell should have.

    Raises:
        ValueError: no counts, or fewer than five expected in a cell, where the test means nothing.

    Source: Pearson (1900).
    """
    seen, weight = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    expected = weight / weight.sum() * seen.sum()
    if seen.sum() == 0 or expected.min() < 5:
        raise ValueError(f"counts: got {seen.sum():g} units; give at least five expected in every cell")
    return float(stats.chisquare(seen, expected).pvalue)


def require_shares(shares: Sequence[int]) -> None:
    """Raise a ValueError where shares are no shares of arms."""
    if len(shares) < 2 or min(shares) <= 0 or sum(shares) != SHARES:
        raise ValueError(f"shares: got {list(shares)}; give two or more above 0 that sum to {SHARES:,}")


def _number(salt: str, unit: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{salt}:{unit}".encode()).digest()[:8])
