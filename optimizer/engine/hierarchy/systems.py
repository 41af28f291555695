"""Small symmetric systems, eight at a time.

A k × k matrix of lanes is an array (k·k, lane), row by row.
"""

from typing import Any

from numba import njit

from .lanes import every, load, root, store


@njit(fastmath=True, cache=True)
def invert(matrix: Any, k: Any, inverse: Any) -> None:  # pragma: no cover  (compiled)
    """Invert positive definite matrices, whose lower triangles are read; ``inverse`` gets both triangles.

    ``matrix`` is left with the inverse of its Cholesky factor.
    """
    invert_factor(matrix, k)
    for i in range(k):
        for j in range(i + 1):
            total = every(0.0)
            for p in range(i, k):
                total += load(matrix, p * k + i) * load(matrix, p * k + j)
            store(inverse, i * k + j, total)
            store(inverse, j * k + i, total)


@njit(fastmath=True, cache=True)
def invert_factor(matrix: Any, k: Any) -> None:  # pragma: no cover  (compiled)
    """Replace positive definite matrices by the inverses of their Cholesky factors, lower triangles.

    Each column, once it is known, is taken from all that are right of it: updates of many places need not wait for each
    other, as the terms of one sum would.

    Source: Golub & Van Loan (2013), section 4.2.
    """
    for j in range(k):
        diagonal = 1.0 / root(load(matrix, j * k + j))
        store(matrix, j * k + j, diagonal)
        for i in range(j + 1, k):
            store(matrix, i * k + j, load(matrix, i * k + j) * diagonal)
        for i in range(j + 1, k):
            left = load(matrix, i * k + j)
            for p in range(j + 1, i + 1):
                store(matrix, i * k + p, load(matrix, i * k + p) - left * load(matrix, p * k + j))
    _invert_lower(matrix, k)


@njit(fastmath=True, cache=True)
def _invert_lower(factor: Any, k: Any) -> None:  # pragma: no cover  (compiled)
    """Invert lower triangles whose diagonals are inverted already."""
    for j in range(k):
        diagonal = load(factor, j * k + j)
        for i in range(j + 1, k):
            store(factor, i * k + j, load(factor, i * k + j) * diagonal)
        for p in range(j + 1, k):
            found = load(factor, p * k + j) * load(factor, p * k + p) * -1.0
            store(factor, p * k + j, found)
            for i in range(p + 1, k):
                store(factor, i * k + j, load(factor, i * k + j) + load(factor, i * k + p) * found)
