"""Clusters: whole categories are drawn, so that substitutes have the same arm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from experiments.stats.designs.blocks import arms_in_blocks
from experiments.stats.designs.hashing import Ints
from experiments.stats.designs.matched_pairs import matched_sets


@dataclass(frozen=True, slots=True)
class ClusterDraw:
    """Hold the arm of every unit and the block in which its cluster was drawn: (unit,) int64 each."""

    arms: Ints
    blocks: Ints


def draw_clusters(salt: str, clusters: Sequence[str], weights: ArrayLike, shares: Sequence[int]) -> ClusterDraw:
    """Draw one arm for all units of a cluster; clusters of like weight are drawn against each other.

    Clusters are matched by the logarithm of their weight in sets of as many as there are arms. What does not fill a set
    is drawn as one more block: of few clusters none is left out.

    Args:
        clusters: (unit,) name of each unit's cluster.
        weights: (unit,) float64, >= 0: its metric before the start.
        shares: (arm,) basis points, > 0, summing to 10,000.

    Raises:
        ValueError: fewer clusters than arms.
    """
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < len(shares):
        raise ValueError(f"clusters: got {len(names)} for {len(shares)} arms; give at least one for each arm")
    totals = np.bincount(index, weights=np.asarray(weights, dtype=np.float64), minlength=len(names))
    sets = matched_sets(np.log1p(totals.clip(min=0))[:, None], size=len(shares))
    sets[sets < 0] = sets.max() + 1
    arms = arms_in_blocks(salt, names.tolist(), sets, shares)
    return ClusterDraw(arms[index], sets[index])
