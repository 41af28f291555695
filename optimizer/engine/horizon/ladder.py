"""The prices of a problem and the five steps between them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from .problem import Bools, Floats, HorizonProblem, Ints

STEP: Final = 0.05
"""Log distance of neighbouring prices: one step is −4.9 or +5.1 %, two are −9.5 or +10.5 %.

Changes of exactly ±5 and ±10 % compound to prices that never meet again: 0.9, 0.95, 1.05 and 1.1 have no products in
common (19 divides only 0.95, 7 only 1.05, 11 only 1.1), so that 26 of them can lead to 27,405 prices. Whole
multiples of one log ratio stay on a ladder; of such ratios 0.0501 is nearest to the four changes in least squares.
"""

ACTIONS: Final = np.array([-2, -1, 0, 1, 2])
"""Steps of the price: about −10, −5, 0, +5, +10 %."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Hold the prices that each problem may take: start · exp(STEP·k), as far as they are between its bounds.

    Args:
        price: (problem, rung) float64, rising; the last one repeated to fill a row.
        start: (problem,) int64, the rung of the starting price.
        rungs: (problem,) int64, how many different prices there are.
    """

    price: Floats
    start: Ints
    rungs: Ints

    @classmethod
    def of(cls, problem: HorizonProblem) -> "Ladder":
        # A bound that is a rung up to rounding belongs to the ladder.
        below = np.floor(np.log(problem.start_price / problem.min_price) / STEP + 1e-9).astype(np.int64)
        above = np.floor(np.log(problem.max_price / problem.start_price) / STEP + 1e-9).astype(np.int64)
        rungs = below + above + 1
        step = np.minimum(np.arange(rungs.max(initial=1)), rungs[:, None] - 1) - below[:, None]
        return cls(problem.start_price[:, None] * np.exp(STEP * step), below, rungs)

    def stepped(self, rung: Ints, action: Ints) -> Ints:
        """Return (problem,) the rungs after the actions, indices of `ACTIONS`; a step too far ends at the bound."""
        stepped: Ints = np.clip(rung + ACTIONS[action], 0, self.rungs - 1)
        return stepped

    def mask(self, rung: Ints, row: Ints | slice = slice(None)) -> Bools:
        """Return (n, action) which actions stay between the bounds; holding the price always does.

        Args:
            rung: (n,) of the prices in force.
            row: (n,) the problem of each; all of them, in their order, unless given.
        """
        after = rung[:, None] + ACTIONS
        mask: Bools = (after >= 0) & (after < self.rungs[row, None])
        return mask
