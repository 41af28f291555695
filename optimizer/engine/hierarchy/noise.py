"""The noise of each series, given what the hierarchy says of its coefficients."""

from typing import Any, Final

import numpy as np
from numba import njit, prange

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .lanes import LANES, at_least, every, gather, load, store
from .moments import Moments
from .systems import invert_factor
from .tree import NODES_A_CHUNK

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
        known.square[:, None],
        known.count[:, None],
        parent,
        parent_mean,
        1 / variances,
        float(prior[0]),
        float(prior[1]),
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
        products, matrix = np.empty((k * (k + 1) // 2, LANES)), np.empty((k * k, LANES))
        pull, half, sums = np.empty((k, LANES)), np.empty((k, LANES)), np.empty((k, LANES))
        belief, found = np.empty((k, LANES)), np.empty((3, LANES))
        nodes, parents = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
        first, last = chunk * NODES_A_CHUNK, min(total, (chunk + 1) * NODES_A_CHUNK)
        for begin in range(first, last, LANES):
            for lane in range(LANES):
                nodes[lane] = min(begin + lane, last - 1)
                parents[lane] = parent[nodes[lane]]
            for place in range(len(products)):
                store(products, place, gather(gram, nodes, place))
            for i in range(k):
                store(sums, i, gather(cross, nodes, i))
                store(belief, i, gather(parent_mean, parents, i) * precision[i])
            rows, around_mean = gather(count, nodes, 0), gather(square, nodes, 0)
            scale, left, spent = every(1.0 / prior_variance), every(0.0), every(0.0)
            for _ in range(steps):
                place = 0
                for i in range(k):
                    for j in range(i + 1):
                        store(matrix, i * k + j, load(products, place) * scale)
                        place += 1
                    store(matrix, i * k + i, load(matrix, i * k + i) + precision[i])
                    store(pull, i, load(sums, i) * scale + load(belief, i))
                invert_factor(matrix, k)
                for i in range(k):
                    entry = every(0.0)
                    for j in range(i + 1):
                        entry += load(matrix, i * k + j) * load(pull, j)
                    store(half, i, entry)
                left, kept = every(0.0), every(0.0)
                for j in range(k):
                    mean, diagonal = every(0.0), every(0.0)
                    for i in range(j, k):
                        entry = load(matrix, i * k + j)
                        mean += entry * load(half, i)
                        diagonal += entry * entry
                    kept += diagonal * precision[j]
                    # mᵀΛm = mᵀPm − mᵀD⁻¹m, where Pm is the pull
                    left += mean * (load(pull, j) - mean * precision[j] - 2.0 * load(sums, j) * scale)
                spent = float(k) - kept  # tr(ΛP⁻¹) = k − tr(D⁻¹P⁻¹)
                left = at_least(around_mean + left / scale, 0.0)
                expected = prior_freedom * prior_variance + left + spent / scale
                scale = 1.0 / at_least(expected / (rows + prior_freedom), LEAST_VARIANCE)
            store(found, 0, 1.0 / scale)
            store(found, 1, left)
            store(found, 2, rows - spent)
            for lane in range(min(LANES, last - begin)):
                node = nodes[lane]
                variance[node], residual[node], freedom[node] = found[0, lane], found[1, lane], found[2, lane]
