"""Which price to take, at every time, stock and price before it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ladder import Ladder
from .problem import HorizonProblem

Codes = NDArray[np.int8]

WIDEST_STEP = 2
"""Rungs that one of the five actions moves at most."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Hold a policy of each problem.

    Args:
        rung: (problem, period, before, stock) int8, the rung to take with so many units, 0 … stock, at the beginning
            of a period. `before` is the rung of the price in force; it has one place where that does not matter.

    Raises:
        ValueError: `rung` is not of this shape.
    """

    rung: Codes

    def __post_init__(self) -> None:
        if self.rung.ndim != 4:
            raise ValueError(f"rung: {self.rung.shape}; give (problem, period, before, stock)")


def step_towards(problem: HorizonProblem, target: Policy) -> Policy:
    """Return the policy that moves towards the price that `target` wants, as far as one of the five actions goes.

    Args:
        target: a policy that may take any rung, whatever the one before.
    """
    rungs = Ladder.of(problem).price.shape[1]
    before = np.arange(rungs, dtype=np.int8)[:, None]
    return Policy(before + np.clip(target.rung - before, -WIDEST_STEP, WIDEST_STEP).astype(np.int8))
