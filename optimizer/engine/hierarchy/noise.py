"""The noise of each series, given what the hierarchy says of its coefficients."""

from typing import Any, Final

import numpy as np
from numba import njit, prange

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .lanes import LANES, invert_factor
from .moments import Moments
from .tree import NODES_A_CHUNK, load

LEAST_VARIANCE: Final = 1e-8
STEPS: Final = 3


def noise_of_series(
    known: Moments, parent: Ints, parent_mean: Floats, variances: Floats, prior: tuple[float, float]
) -> tuple[Floats, Floats, Floats]:
    """Return each series' noise variance, residual sum of squares and degrees of freedom, (series,) each.

    The fixed point between coefficients and noise, where the noise has an inverse-gamma prior with ``prior`` = (degrees
    of freedom, variance): three steps from the prior's variance come within a percent.

    Source: Gelman et al. (2013), section 14.2; Smyth (2004).
    """
    found = np.empty((3, len(known)))
    _noise(
        known.gram,
        known.cross,
        known.square,
        known.count,
        parent,
        parent_mean,
        1 / variances,
        prior[0],
        prior[1],
        STEPS,
        found[0],
        found[1],
        found[2],
    )
    return found[0], found[1], found[2]


@njit(parallel=True, fastmath=True, cache=True)
def _noise(  # pragma: no cover  (compiled)
    gram: Any,
    cross: Any,
    square: Any,
    count: Any,
    parent: Any,
    parent_mean: Any,
    precision: Any,
    prior_freedom: Any,
    prior_variance: Any,
    steps: Any,
    variance: Any,
    residual: Any,
    freedom: Any,
) -> None:
    total, k = cross.shape
    for chunk in prange((total + NODES_A_CHUNK - 1) // NODES_A_CHUNK):
        products, matrix = np.empty((k, k, LANES)), np.empty((k, k, LANES))
        nodes, scale = np.empty(LANES, np.int64), np.empty(LANES)
        nothing, once = np.zeros(k), np.ones(LANES)
        pull, half, mean = np.empty((k, LANES)), np.empty((k, LANES)), np.empty((k, LANES))
        sums, belief = np.empty((k, LANES)), np.empty((k, LANES))
        left, spent = np.empty(LANES), np.empty(LANES)
        first, last = chunk * NODES_A_CHUNK, min(total, (chunk + 1) * NODES_A_CHUNK)
        for begin in range(first, last, LANES):
            used = min(LANES, last - begin)
            for lane in range(LANES):
                nodes[lane] = min(begin + lane, last - 1)
                scale[lane] = 1.0 / prior_variance
            load(gram, once, nothing, nodes, products)
            for i in range(k):
                for lane in range(LANES):
                    sums[i, lane] = cross[nodes[lane], i]
                    belief[i, lane] = precision[i] * parent_mean[parent[nodes[lane]], i]
            for _ in range(steps):
                for i in range(k):
                    for j in range(i + 1):
                        for lane in range(LANES):
                            matrix[i, j, lane] = products[i, j, lane] * scale[lane]
                    for lane in range(LANES):
                        matrix[i, i, lane] += precision[i]
                    for lane in range(LANES):
                        pull[i, lane] = sums[i, lane] * scale[lane] + belief[i, lane]
                invert_factor(matrix)
                for lane in range(LANES):
                    left[lane] = 0.0
                    spent[lane] = k
                for i in range(k):
                    for lane in range(LANES):
                        half[i, lane] = 0.0
                    for j in range(i + 1):
                        for lane in range(LANES):
                            half[i, lane] += matrix[i, j, lane] * pull[j, lane]
                for j in range(k):
                    for lane in range(LANES):
                        mean[j, lane] = 0.0
                    for i in range(j, k):
                        for lane in range(LANES):
                            mean[j, lane] += matrix[i, j, lane] * half[i, lane]
                            # tr(ΛP⁻¹) = k − tr(D⁻¹P⁻¹)
                            spent[lane] -= precision[j] * matrix[i, j, lane] * matrix[i, j, lane]
                    for lane in range(LANES):
                        # mᵀΛm = mᵀPm − mᵀD⁻¹m, where Pm is the pull
                        left[lane] += mean[j, lane] * (pull[j, lane] - precision[j] * mean[j, lane])
                for j in range(k):
                    for lane in range(LANES):
                        left[lane] -= 2.0 * mean[j, lane] * sums[j, lane] * scale[lane]
                for lane in range(LANES):
                    left[lane] = max(square[nodes[lane]] + left[lane] / scale[lane], 0.0)
                    expected = prior_freedom * prior_variance + left[lane] + spent[lane] / scale[lane]
                    scale[lane] = 1.0 / max(expected / (prior_freedom + count[nodes[lane]]), LEAST_VARIANCE)
            for lane in range(used):
                node = nodes[lane]
                variance[node] = 1.0 / scale[lane]
                residual[node] = left[lane]
                freedom[node] = count[node] - spent[lane]
