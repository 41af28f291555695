"""Coefficients of series, categories, departments and the whole shop as one Gaussian tree, solved exactly.

A node's coefficients are normal around its parent's, each level with variances of its own; the root's have a prior.
What the data say of a node is a Gaussian in information form (Λ, h), exp(−½ βᵀΛβ + hᵀβ). On the way up each node tells
its parent what it knows of the parent's coefficients; on the way down each gets the parent's posterior. Both ways are
closed form, so a category of ten thousand SKUs that say little each still learns what they say together, and the
uncertainty of the category is part of each SKU's.

Source: Willsky (2002), multiresolution Markov models; Gelman et al. (2013), ch. 15.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit, prange

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .lanes import LANES, invert

NODES_A_CHUNK: Final = 2_048


@dataclass(frozen=True, slots=True)
class Information:
    """Hold what is known of the coefficients of n nodes: Λ = gram·scale, h = cross·scale.

    Args:
        gram: (n, k(k+1)/2) float64, lower triangles, row by row.
        cross: (n, k) float64.
        scale: (n,) float64, such as one over the variance of the noise.
    """

    gram: Floats
    cross: Floats
    scale: Floats


@dataclass(frozen=True, slots=True)
class Children:
    """Hold nodes sorted by parent and cut into chunks of one parent each: the unit of parallel work."""

    parent: Ints
    order: Ints
    bounds: Ints
    parents: int

    @classmethod
    def of(cls, parent: Ints, parents: int) -> "Children":
        """Sort nodes by their (n,) parents, each below ``parents``."""
        order = np.argsort(parent, kind="stable")
        size = np.bincount(parent, minlength=parents)
        ends = np.cumsum(size)
        cuts = [np.arange(end - count, end, NODES_A_CHUNK) for end, count in zip(ends, size, strict=True) if count]
        return cls(parent, order, np.append(np.concatenate(cuts), len(parent)), parents)


def told_to_parents(known: Information, children: Children, variances: Floats) -> tuple[Information, float]:
    """Return what nodes know of their parents' coefficients, and the logarithm of what they leave constant.

    With P = Λ + D⁻¹: a child adds D⁻¹ − D⁻¹P⁻¹D⁻¹ and D⁻¹P⁻¹h.
    """
    k, chunks = known.cross.shape[1], len(children.bounds) - 1
    gram, cross, constant = np.empty((chunks, k * (k + 1) // 2)), np.empty((chunks, k)), np.empty(chunks)
    _tell(known.gram, known.cross, known.scale, children.order, children.bounds, 1 / variances, gram, cross, constant)
    owner = children.parent[children.order[children.bounds[:-1]]]
    of_parents = Information(
        np.zeros((children.parents, gram.shape[1])), np.zeros((children.parents, k)), np.ones(children.parents)
    )
    np.add.at(of_parents.gram, owner, gram)
    np.add.at(of_parents.cross, owner, cross)
    return of_parents, float(constant.sum())


@dataclass(frozen=True, slots=True)
class Posterior:
    """Hold the posterior of n nodes: mean (n, k), and covariance (n, k, k) or its diagonal, variance (n, k)."""

    mean: Floats
    variance: Floats
    covariance: Floats | None


def given_parents(
    known: Information, parent: Ints, of_parents: Posterior, variances: Floats, *, with_covariance: bool
) -> tuple[Posterior, Floats]:
    """Return the posterior of nodes given their parents', and the expected squared distances from them, (k,) summed."""
    assert of_parents.covariance is not None
    nodes, k = known.cross.shape
    mean, variance = np.empty((nodes, k)), np.empty((nodes, k))
    covariance = np.empty((nodes if with_covariance else 0, k, k))
    distance = np.zeros(((nodes + NODES_A_CHUNK - 1) // NODES_A_CHUNK, k))
    _given(
        known.gram,
        known.cross,
        known.scale,
        parent,
        of_parents.mean,
        of_parents.covariance,
        1 / variances,
        mean,
        variance,
        covariance,
        distance,
    )
    return Posterior(mean, variance, covariance if with_covariance else None), distance.sum(0)


@njit(fastmath=True, cache=True)
def load(gram: Any, scale: Any, precision: Any, nodes: Any, matrix: Any) -> None:  # pragma: no cover  (compiled)
    """Set ``matrix`` (k, k, lane) to gram·scale + D⁻¹ of eight nodes, lower triangles; ``scale`` is (lane,)."""
    place = 0
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            for lane in range(LANES):
                matrix[i, j, lane] = gram[nodes[lane], place] * scale[lane]
            place += 1
        for lane in range(LANES):
            matrix[i, i, lane] += precision[i]


@njit(parallel=True, fastmath=True, cache=True)
def _tell(  # pragma: no cover  (compiled)
    gram: Any,
    cross: Any,
    scale: Any,
    order: Any,
    bounds: Any,
    precision: Any,
    told_gram: Any,
    told_cross: Any,
    constant: Any,
) -> None:
    k = cross.shape[1]
    log_precision = np.log(precision).sum()
    for chunk in prange(len(bounds) - 1):
        matrix, inverse, nodes = np.empty((k, k, LANES)), np.empty((k, k, LANES)), np.empty(LANES, np.int64)
        pull, factor, total = np.empty((k, LANES)), np.empty(LANES), np.empty((k, k))
        sums, kept = np.zeros((k, k)), np.zeros(k)
        rest = 0.0
        first, last = bounds[chunk], bounds[chunk + 1]
        for begin in range(first, last, LANES):
            used = min(LANES, last - begin)
            for lane in range(LANES):
                nodes[lane] = order[min(begin + lane, last - 1)]
                factor[lane] = scale[nodes[lane]]
            load(gram, factor, precision, nodes, matrix)
            log_determinant = invert(matrix, inverse)
            for i in range(k):
                for lane in range(LANES):
                    pull[i, lane] = 0.0
                for j in range(k):
                    for lane in range(LANES):
                        pull[i, lane] += inverse[i, j, lane] * cross[nodes[lane], j] * factor[lane]
            for i in range(k):
                for j in range(i + 1):
                    total[i, j] = 0.0
                    for lane in range(used):
                        total[i, j] += inverse[i, j, lane]
                    sums[i, j] += total[i, j]
                for lane in range(used):
                    kept[i] += pull[i, lane]
                    rest += 0.5 * pull[i, lane] * cross[nodes[lane], i] * factor[lane]
            for lane in range(used):
                rest += 0.5 * (log_precision - log_determinant[lane])
        place = 0
        for i in range(k):
            told_cross[chunk, i] = precision[i] * kept[i]
            for j in range(i + 1):
                told_gram[chunk, place] = -precision[i] * sums[i, j] * precision[j]
                if i == j:
                    told_gram[chunk, place] += precision[i] * (last - first)
                place += 1
        constant[chunk] = rest


@njit(parallel=True, fastmath=True, cache=True)
def _given(  # pragma: no cover  (compiled)
    gram: Any,
    cross: Any,
    scale: Any,
    parent: Any,
    parent_mean: Any,
    parent_covariance: Any,
    precision: Any,
    mean: Any,
    variance: Any,
    covariance: Any,
    distance: Any,
) -> None:
    total, k = cross.shape
    for chunk in prange(len(distance)):
        matrix, inverse, nodes = np.empty((k, k, LANES)), np.empty((k, k, LANES)), np.empty(LANES, np.int64)
        pull, moved = np.empty((k, LANES)), np.empty((k, k, LANES))
        above, shrinkage = np.empty((k, k, LANES)), np.empty((k, k, LANES))
        factor, value, spread = np.empty(LANES), np.empty(LANES), np.empty(LANES)
        first, last = chunk * NODES_A_CHUNK, min(total, (chunk + 1) * NODES_A_CHUNK)
        for begin in range(first, last, LANES):
            used = min(LANES, last - begin)
            for lane in range(LANES):
                nodes[lane] = min(begin + lane, last - 1)
                factor[lane] = scale[nodes[lane]]
            load(gram, factor, precision, nodes, matrix)
            invert(matrix, inverse)
            for i in range(k):
                for lane in range(LANES):
                    node = nodes[lane]
                    pull[i, lane] = cross[node, i] * factor[lane] + precision[i] * parent_mean[parent[node], i]
            for i in range(k):
                for j in range(k):
                    for lane in range(LANES):
                        above[i, j, lane] = parent_covariance[parent[nodes[lane]], i, j]
                        shrinkage[i, j, lane] = inverse[i, j, lane] * precision[j]  # R = P⁻¹D⁻¹
                        moved[i, j, lane] = 0.0
            for i in range(k):
                for p in range(k):
                    for j in range(k):
                        for lane in range(LANES):
                            moved[i, j, lane] += shrinkage[i, p, lane] * above[p, j, lane]  # R·C
            for i in range(k):
                for lane in range(LANES):
                    value[lane] = 0.0
                    spread[lane] = inverse[i, i, lane]
                for j in range(k):
                    for lane in range(LANES):
                        value[lane] += inverse[i, j, lane] * pull[j, lane]
                        spread[lane] += moved[i, j, lane] * shrinkage[i, j, lane]
                for lane in range(used):
                    node = nodes[lane]
                    mean[node, i], variance[node, i] = value[lane], spread[lane]
                    apart = value[lane] - parent_mean[parent[node], i]
                    # of β − β_parent: P⁻¹ + (R−1)C(R−1)ᵀ
                    within = spread[lane] - 2 * moved[i, i, lane] + above[i, i, lane]
                    distance[chunk, i] += apart * apart + within
            if len(covariance):
                for i in range(k):
                    for j in range(k):
                        for lane in range(used):
                            covariance[nodes[lane], i, j] = inverse[i, j, lane]
                        for p in range(k):
                            for lane in range(used):
                                covariance[nodes[lane], i, j] += moved[i, p, lane] * shrinkage[j, p, lane]
