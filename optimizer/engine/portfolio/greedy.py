"""Mend a choice by single moves: quick, and good where many SKUs are nearly undecided."""

from typing import Final

import numpy as np

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .core import Core

MOST_ROUNDS: Final = 1_000
TINY: Final = 1e-12
ROUNDING: Final = 1e-11
"""Of what is left of a limit, in the core's units."""


def choose_greedily(core: Core) -> Ints | None:
    """Move SKUs of the core to other options until all limits are kept, then to better ones while they stay kept.

    A move that mends is the one that loses least score for what it mends; a move that improves is the one that gains
    most value. A round makes one move in every cell of SKUs that count against the same limits.

    Returns:
        (SKU of the core,) int64 places among the core's choices; None where no move mends what is left.
    """
    state = _Choice(core)
    for _ in range(MOST_ROUNDS):
        if not state.round(mend=bool((state.rest < -ROUNDING).any())):
            break
    return state.taken if (state.rest >= -ROUNDING).all() else None


class _Choice:
    """Hold what is taken, and what it leaves of each limit."""

    def __init__(self, core: Core) -> None:
        self.core = core
        order = np.lexsort((-core.score, core.row))
        _, first = np.unique(core.row[order], return_index=True)
        self.taken: Ints = order[first].astype(np.int64)
        self.rest = core.rest.copy()
        np.subtract.at(self.rest, core.limit[self.taken], core.usage[self.taken])

    def round(self, *, mend: bool) -> bool:
        """Make the best move of each cell, in order, as far as the one before leaves it good; False if none was."""
        merit = self._merit(slice(None), mend)
        good = np.flatnonzero(merit > 0)
        good = good[np.lexsort((-merit[good], self.core.cell[good]))]
        _, first = np.unique(self.core.cell[good], return_index=True)
        best = good[first]
        moved = False
        for move in best[np.argsort(-merit[best], kind="stable")]:
            if self._merit(slice(move, move + 1), mend)[0] > 0:
                self._make(move)
                moved = True
        return moved

    def _merit(self, moves: slice, mend: bool) -> Floats:
        """Return how good moves are, (choice,): mended violation for lost score, or gained value; 0: not good."""
        core, now = self.core, self.taken[self.core.row[moves]]
        before = self.rest[core.limit[moves]]
        after = before - (core.usage[moves] - core.usage[now])
        if mend:
            mended = (np.minimum(after, 0) - np.minimum(before, 0)).sum(axis=1)
            loss = np.maximum(core.score[now] - core.score[moves], TINY * np.abs(core.value[now]) + 1e-300)
            merit: Floats = np.where(mended > TINY, mended / loss, 0.0)
            return merit
        gain = core.value[moves] - core.value[now]
        return np.where((after >= -ROUNDING).all(axis=1) & (gain > TINY * np.abs(core.value[now])), gain, 0.0)

    def _make(self, move: int) -> None:
        core, row = self.core, self.core.row[move]
        self.rest[core.limit[move]] -= core.usage[move] - core.usage[self.taken[row]]
        self.taken[row] = move
