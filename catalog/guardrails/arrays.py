"""Columns of numbers with a value for what is not there."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.int8]

MISSING: Final = int(np.iinfo(np.int64).min)
"""The value that is not there, in every int64 array of this package."""


def known(values: Ints) -> Bools:
    """Return where a value is there."""
    return np.not_equal(values, MISSING)


def positive(values: Ints) -> Bools:
    """Return where a value is there and above zero."""
    return np.greater(values, 0)


def int_column(values: Sequence[int | None]) -> Ints:
    """Return an int64 array with `MISSING` in place of every None."""
    return np.array([MISSING if value is None else value for value in values], dtype=np.int64)


def or_none(value: np.int64 | int) -> int | None:
    """Return None in place of `MISSING`."""
    return None if value == MISSING else int(value)
