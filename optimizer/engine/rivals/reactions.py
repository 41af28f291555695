"""What rivals did after each of our price changes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .panel import RivalPanel

IGNORE, FOLLOW, UNDERCUT = range(3)
REACTIONS: Final = ("ignore", "follow", "undercut")
CUT, RAISE = range(2)
"""Directions of our change: rivals that follow a cut need not follow a raise."""

LEAST_CHANGE: Final = 0.005
"""Smaller moves, in logs, are roundings."""


@dataclass(frozen=True, slots=True)
class Reactions:
    """Hold what came of each of our changes that was seen for long enough, (event,) each.

    Args:
        rival: who.
        direction: `CUT` or `RAISE`.
        kind: `IGNORE`, `FOLLOW` (a move in our direction) or `UNDERCUT` (a move that ends below our new price, from
            where it was not).
        lag: periods from our change to the move, 1 the next one; 0 where there was none.
        size: of a follower the move over our change; of one who undercuts how far below us, ln; else NaN.
    """

    rival: Ints
    direction: Ints
    kind: Ints
    lag: Ints
    size: Floats

    def __len__(self) -> int:
        return len(self.rival)


def reactions(panel: RivalPanel, *, window: int) -> Reactions:
    """Find each of our changes, and the rival's first move in the ``window`` periods after it.

    A window that our next change, a gap in the rows or the end of the data cuts short, without a move before, says
    nothing and is left out.
    """
    follows = np.zeros(len(panel), dtype=bool)
    follows[1:] = (panel.pair[1:] == panel.pair[:-1]) & (panel.period[1:] == panel.period[:-1] + 1)
    own_move, move = (np.append(0.0, np.diff(values)) * follows for values in (panel.own, panel.theirs))
    events = np.flatnonzero(np.abs(own_move) >= LEAST_CHANGE)
    lag = np.zeros(len(events), dtype=np.int64)
    seen: NDArray[np.bool_] = np.ones(len(events), dtype=bool)
    for step in range(1, window + 1):
        row = np.minimum(events + step, len(panel) - 1)
        there = (events + step < len(panel)) & follows[row]
        waiting = seen & (lag == 0)
        cut_short = waiting & (~there | (np.abs(own_move[row]) >= LEAST_CHANGE))
        seen &= ~cut_short
        lag = np.where(waiting & ~cut_short & (np.abs(move[row]) >= LEAST_CHANGE), step, lag)
    events, lag = events[seen], lag[seen]
    return _classified(panel, events, lag, own_move[events], move)


def _classified(panel: RivalPanel, events: Ints, lag: Ints, own_change: Floats, move: Floats) -> Reactions:
    after = events + lag
    ours, moved = panel.own[events], (lag > 0)
    below = ours - panel.theirs[after]
    was_below = ours - panel.theirs[np.maximum(after - 1, 0)] > LEAST_CHANGE
    undercut = moved & (below > LEAST_CHANGE) & ~was_below & (move[after] < 0)
    follow = moved & ~undercut & (move[after] * own_change > 0)
    kind = np.select([undercut, follow], [UNDERCUT, FOLLOW], IGNORE)
    size = np.select([undercut, follow], [below, move[after] / own_change], np.nan)
    return Reactions(
        rival=panel.rival[panel.pair[events]],
        direction=np.where(own_change > 0, RAISE, CUT),
        kind=kind,
        lag=np.where(kind == IGNORE, 0, lag),
        size=size,
    )
