"""Take out what belongs to a product alone, or to a week alone (two-way fixed effects)."""

from typing import Final

import numpy as np

from catalog.guardrails import Ints

from ..pricing_arrays import Floats

TOLERANCE: Final = 1e-12
MOST_SWEEPS: Final = 10_000


def within(columns: Floats, entity: Ints, week: Ints) -> Floats:
    """Return (row, column) values less their means by entity and by week, in turn, until neither changes.

    Source: Wooldridge (2010), section 10.5; von Neumann's alternating projections.
    """
    groups = [np.unique(keys, return_inverse=True)[1] for keys in (entity, week)]
    sizes = [np.bincount(group)[:, None] for group in groups]
    left = columns.astype(np.float64)
    scale = np.maximum(left.std(0), 1e-300)
    for _ in range(MOST_SWEEPS):
        before = left
        for group, size in zip(groups, sizes, strict=True):
            means = np.stack([np.bincount(group, column) for column in left.T], axis=1) / size
            left = left - means[group]
        if (np.abs(left - before).max(0) <= TOLERANCE * scale).all():
            break
    return left


def absorbed(entity: Ints, week: Ints) -> int:
    """Return the degrees of freedom that the effects take: connected panels share one between both."""
    return len(np.unique(entity)) + len(np.unique(week)) - 1
