"""Draw arms within blocks of like units, so that every arm has its share of each block to within one unit."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from experiments.stats.designs.hashing import BUCKETS, Ints, points, require_shares


def arms_in_blocks(salt: str, units: Sequence[str], block: ArrayLike, shares: Sequence[int]) -> Ints:
    """Draw an arm for each unit, block by block.

    The n units of a block are put in the order of their hash; unit r takes the arm in whose share (r + u)/n falls,
    where u is the hash of the block (systematic sampling). Every unit has exactly its arm's share as chance, and a
    block of as many units as there are equal arms, such as a matched pair, has each arm once.

    Args:
        units: (unit,) names, all different.
        block: (unit,) int, the block of each unit; negative: it takes no part.
        shares: (arm,) basis points, > 0, summing to 10,000.

    Returns:
        (unit,) int64, index of the arm; -1 where the unit takes no part.

    Raises:
        ValueError: names that repeat, or shares that are none.

    Source: Madow & Madow (1944), systematic sampling; Athey & Imbens (2017), section 7, on blocks.
    """
    require_shares(shares)
    if len(set(units)) != len(units):
        raise ValueError("units: a name repeats; give every unit a name of its own")
    blocks = np.asarray(block, dtype=np.int64)
    arms = np.full(len(units), -1, dtype=np.int64)
    order = np.lexsort((points(salt, units), blocks))
    order = order[blocks[order] >= 0]
    if not len(order):
        return arms
    names, start, size = np.unique(blocks[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(start, size)
    offset = np.repeat(points(f"{salt}:block", [str(name) for name in names.tolist()]), size)
    place = (rank + offset) / np.repeat(size, size) * BUCKETS
    arms[order] = np.searchsorted(np.cumsum(shares), place, side="right").clip(max=len(shares) - 1)
    return arms
