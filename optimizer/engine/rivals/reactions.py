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

MOST_PASS_THROUGH: Final = 2.0
"""Who moves further has reasons of his own."""


@dataclass(frozen=True, slots=True)
class Reactions:
    """Hold what came of each of our changes that was seen for long enough, (event,) each.

    Args:
        rival: who.
        direction: `CUT` or `RAISE`.
        kind: `IGNORE`, `FOLLOW` (a move in our direction) or `UNDERCUT` (a move that ends below our new price, from
            where it was not).
        lag: periods from our change to the move, 1 the next one; 0 where there was none.
        size: of a follower the move over our change, at most 2; of one who undercuts how far below us, ln; else NaN.
        change: ours, ln.
    """

    rival: Ints
    direction: Ints
    kind: Ints
    lag: Ints
    size: Floats
    change: Floats

    def __len__(self) -> int:
        return len(self.rival)


def reactions(panel: RivalPanel, *, window: int) -> Reactions:
    """Find each of our changes, and the rival's first move in the ``window`` periods after it.

    A change whose window our next change, a gap in the rows or the end of the data cuts short is left out, answered or
    not: keeping only the answered ones would make rivals look more responsive than they are. Where our prices move
    often give a short window.
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
        seen &= there & (np.abs(own_move[row]) < LEAST_CHANGE)
        lag = np.where((lag == 0) & (np.abs(move[row]) >= LEAST_CHANGE), step, lag)
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
    size = np.select([undercut, follow], [below, np.clip(move[after] / own_change, 0, MOST_PASS_THROUGH)], np.nan)
    return Reactions(
        rival=panel.rival[panel.pair[events]],
        direction=np.where(own_change > 0, RAISE, CUT),
        kind=kind,
        lag=np.where(kind == IGNORE, 0, lag),
        size=size,
        change=own_change,
    )
