"""Matched pairs: the units that are most alike stand side by side, one in each arm."""

import numpy as np
from numpy.typing import ArrayLike

from experiments.stats.designs.hashing import Floats, Ints

WINDOW = 64
"""How many units of the next lower metric are looked at for a partner."""


def matched_sets(covariates: ArrayLike, *, size: int = 2, window: int = WINDOW) -> Ints:
    """Put units into sets of like ones: pairs for two arms, triples for three.

    Units are taken from the highest first covariate down. Each takes those of the next ``window`` units that are free
    and nearest to it by the Mahalanobis distance d² = (x − y)ᵀ S⁻¹ (x − y), S the covariance of all. What does not
    fill a set is left over, at the low end.

    Args:
        covariates: (unit, covariate) float64, finite: what foretells the metric, the best first (its value before the
            start, its trend, the price); logarithms where sizes differ by orders of magnitude.
        size: units a set, >= 2: as many as there are arms.
        window: >= size; more find nearer partners and take longer.

    Returns:
        (unit,) int64, number of the set from 0 in the order of the first covariate; -1 of a unit that is left over.

    Raises:
        ValueError: covariates that are no table of finite numbers, or a size below 2.

    Source: Greevy, Lu, Silber & Rosenbaum (2004) for matching before randomisation; the order and window are greedy.
    """
    table = np.asarray(covariates, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError(f"covariates: got an array of shape {table.shape}; give finite numbers, a row for each unit")
    if size < 2 or window < size:
        raise ValueError(f"size: got {size} in a window of {window}; give 2 or more units a set, in a window as large")
    white = _whitened(table)
    free = np.argsort(-table[:, 0], kind="stable").tolist()
    sets = np.full(len(table), -1, dtype=np.int64)
    waiting: list[int] = []
    number, taken = 0, 0
    while True:
        while len(waiting) <= window and taken < len(free):
            waiting.append(free[taken])
            taken += 1
        if len(waiting) < size:
            return sets
        first, others = waiting[0], np.array(waiting[1:])
        distance = ((white[others] - white[first]) ** 2).sum(axis=1)
        nearest = np.argsort(distance, kind="stable")[: size - 1]
        members = {first, *others[nearest].tolist()}
        sets[list(members)] = number
        number += 1
        waiting = [unit for unit in waiting if unit not in members]


def standardised_differences(covariates: ArrayLike, arms: ArrayLike, arm: int) -> Floats:
    """Return how far an arm's mean lies from the control's in each covariate, in standard deviations of all units.

    Args:
        covariates: (unit, covariate) float64.
        arms: (unit,) int; 0 is the control, negative takes no part.

    Returns:
        (covariate,) float64; 0 where a covariate does not vary. Below 0.1 in size is usually called balanced.

    Source: Austin (2009).
    """
    table, drawn = np.asarray(covariates, dtype=np.float64), np.asarray(arms)
    inside = table[drawn >= 0]
    spread = inside.std(axis=0)
    gap = table[drawn == arm].mean(axis=0) - table[drawn == 0].mean(axis=0)
    differences: Floats = np.divide(gap, spread, out=np.zeros_like(gap), where=spread > 0)
    return differences


def _whitened(table: Floats) -> Floats:
    """Return the covariates turned and scaled so that plain distance is Mahalanobis'; those that do not vary are 0."""
    centred: Floats = table - table.mean(axis=0)
    if len(table) < 2:
        return centred
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(centred, rowvar=False)))
    kept = values > values.max() * 1e-12
    scale = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    result: Floats = centred @ vectors * scale
    return result
