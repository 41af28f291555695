"""Coefficients of series, categories, departments and the whole shop as one Gaussian tree, solved exactly.

A node's coefficients are normal around its parent's, each level with variances of its own; the root's have a prior.
What the data say of a node is a Gaussian in information form (Λ, h), exp(−½ βᵀΛβ + hᵀβ). On the way up each node tells
its parent what it knows of the parent's coefficients; on the way down each gets the parent's posterior. Both ways are
closed form, so a category of ten thousand SKUs that say little each still learns what they say together, and the
uncertainty of the category is part of each SKU's.

Source: Willsky (2002), multiresolution Markov models; Gelman et al. (2013), ch. 15.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import get_num_threads, njit, prange, set_num_threads

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .lanes import LANES, every, gather, load, store
from .systems import invert

NODES_A_CHUNK: Final = 2_048
NODES_A_THREAD: Final = 4_096
"""To learn from 4,000 series takes one thread 0.16 s, two 0.11 s; beside other work, 0.2 to 0.4 and 0.4 to 2.5 s."""


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
        # Numbers of 16 bits are sorted by counting, six times as fast.
        order = np.argsort(parent.astype(np.min_scalar_type(parents)), kind="stable")
        size = np.bincount(parent, minlength=parents)
        ends = np.cumsum(size)
        cuts = [np.arange(end - count, end, NODES_A_CHUNK) for end, count in zip(ends, size, strict=True) if count]
        return cls(parent, order, np.append(np.concatenate(cuts), len(parent)), parents)


@contextmanager
def _threads_for(nodes: int) -> Iterator[None]:
    """Give few nodes few threads: on a busy machine these wait for each other longer than the work takes."""
    before = get_num_threads()
    set_num_threads(min(before, max(1, nodes // NODES_A_THREAD)))
    try:
        yield
    finally:
        set_num_threads(before)


def told_to_parents(known: Information, children: Children, variances: Floats) -> tuple[Information, float]:
    """Return what nodes know of their parents' coefficients, and the logarithm of what they leave constant.

    With P = Λ + D⁻¹: a child adds D⁻¹ − D⁻¹P⁻¹D⁻¹ and D⁻¹P⁻¹h.
    """
    k, chunks = known.cross.shape[1], len(children.bounds) - 1
    gram, cross, constant = np.empty((chunks, k * (k + 1) // 2)), np.empty((chunks, k)), np.empty(chunks)
    with _threads_for(len(known.scale)):
        _tell(
            known.gram,
            known.cross,
            known.scale[:, None],
            children.order,
            children.bounds,
            1 / variances,
            gram,
            cross,
            constant,
        )
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
    with _threads_for(nodes):
        _given(
            known.gram,
            known.cross,
            known.scale[:, None],
            parent,
            of_parents.mean,
            of_parents.covariance.reshape(-1, k * k),
            1 / variances,
            mean,
            variance,
            covariance.reshape(-1, k * k),
            distance,
        )
    return Posterior(mean, variance, covariance if with_covariance else None), distance.sum(0)


@njit(fastmath=True, cache=True)
def posterior_precision(gram: Any, scale: Any, precision: Any, nodes: Any, matrix: Any) -> None:  # pragma: no cover
    """Set the lower triangles of ``matrix`` (k·k, lane) to gram·scale + D⁻¹ of eight nodes; ``scale``: (n, 1)."""
    k, factor, place = len(precision), gather(scale, nodes, 0), 0
    for i in range(k):
        for j in range(i):
            store(matrix, i * k + j, gather(gram, nodes, place) * factor)
            place += 1
        store(matrix, i * k + i, gather(gram, nodes, place) * factor + precision[i])
        place += 1


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
        matrix, inverse, nodes = np.empty((k * k, LANES)), np.empty((k * k, LANES)), np.empty(LANES, np.int64)
        said, counts = np.empty((k, LANES)), np.ones((1, LANES))
        sums, kept, rest = np.zeros((k * k, LANES)), np.zeros((k, LANES)), np.zeros((1, LANES))
        first, last = bounds[chunk], bounds[chunk + 1]
        for begin in range(first, last, LANES):
            for lane in range(LANES):
                nodes[lane] = order[min(begin + lane, last - 1)]
                counts[0, lane] = 1.0 if begin + lane < last else 0.0
            used, factor = load(counts, 0), gather(scale, nodes, 0)
            posterior_precision(gram, scale, precision, nodes, matrix)
            invert(matrix, k, inverse)
            for i in range(k):
                store(said, i, gather(cross, nodes, i) * factor)
            explained = every(0.0)
            for i in range(k):
                mean = every(0.0)
                for j in range(k):
                    mean += load(inverse, i * k + j) * load(said, j)
                store(kept, i, load(kept, i) + mean * used)
                explained += mean * load(said, i)
                for j in range(i + 1):
                    store(sums, i * k + j, load(sums, i * k + j) + load(inverse, i * k + j) * used)
            store(rest, 0, load(rest, 0) + 0.5 * explained * used)
            for i in range(k):
                for lane in range(min(LANES, last - begin)):
                    rest[0, lane] += np.log(matrix[i * k + i, lane])  # of the factor's inverse: −½ ln|P| in all
        place = 0
        for i in range(k):
            told_cross[chunk, i] = precision[i] * kept[i].sum()
            for j in range(i + 1):
                told_gram[chunk, place] = -precision[i] * sums[i * k + j].sum() * precision[j]
                place += 1
            told_gram[chunk, place - 1] += precision[i] * (last - first)
        constant[chunk] = rest.sum() + 0.5 * log_precision * (last - first)


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
        matrix, inverse, above = np.empty((k * k, LANES)), np.empty((k * k, LANES)), np.empty((k * k, LANES))
        shrinkage, moved, pull = np.empty((k * k, LANES)), np.empty((k * k, LANES)), np.empty((k, LANES))
        nodes, parents, counts = np.empty(LANES, np.int64), np.empty(LANES, np.int64), np.ones((1, LANES))
        means, variances, apart = np.empty((k, LANES)), np.empty((k, LANES)), np.zeros((k, LANES))
        first, last = chunk * NODES_A_CHUNK, min(total, (chunk + 1) * NODES_A_CHUNK)
        for begin in range(first, last, LANES):
            for lane in range(LANES):
                nodes[lane] = min(begin + lane, last - 1)
                parents[lane] = parent[nodes[lane]]
                counts[0, lane] = 1.0 if begin + lane < last else 0.0
            used, factor = load(counts, 0), gather(scale, nodes, 0)
            posterior_precision(gram, scale, precision, nodes, matrix)
            invert(matrix, k, inverse)
            for i in range(k):
                store(pull, i, gather(cross, nodes, i) * factor + gather(parent_mean, parents, i) * precision[i])
                for j in range(k):
                    store(shrinkage, i * k + j, load(inverse, i * k + j) * precision[j])  # R = P⁻¹D⁻¹
                    store(above, i * k + j, gather(parent_covariance, parents, i * k + j))
            for i in range(k):
                value, spread = every(0.0), load(inverse, i * k + i)
                for j in range(k):
                    entry = every(0.0)  # of R·C
                    for p in range(k):
                        entry += load(shrinkage, i * k + p) * load(above, p * k + j)
                    store(moved, i * k + j, entry)
                    spread += entry * load(shrinkage, i * k + j)
                    value += load(inverse, i * k + j) * load(pull, j)
                store(means, i, value)
                store(variances, i, spread)
                # of β − β_parent: P⁻¹ + (R−1)C(R−1)ᵀ
                within = spread - 2.0 * load(moved, i * k + i) + load(above, i * k + i)
                away = value - gather(parent_mean, parents, i)
                store(apart, i, load(apart, i) + (away * away + within) * used)
            for lane in range(min(LANES, last - begin)):
                for i in range(k):
                    mean[nodes[lane], i], variance[nodes[lane], i] = means[i, lane], variances[i, lane]
            if len(covariance):
                for i in range(k):
                    for j in range(k):
                        entry = load(inverse, i * k + j)
                        for p in range(k):
                            entry += load(moved, i * k + p) * load(shrinkage, j * k + p)
                        store(matrix, i * k + j, entry)
                for lane in range(min(LANES, last - begin)):
                    for place in range(k * k):
                        covariance[nodes[lane], place] = matrix[place, lane]
        for i in range(k):
            distance[chunk, i] = apart[i].sum()
