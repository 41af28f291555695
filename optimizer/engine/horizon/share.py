"""How much of the optimum a policy earns."""

import numpy as np

from .problem import Floats, HorizonProblem


def share_of_optimum(problem: HorizonProblem, value: Floats, optimum: Floats) -> Floats:
    """Return (problem,) the share of what the optimum earns above giving the whole stock to salvage at once.

        (value + (c − salvage)·stock) / (optimum + (c − salvage)·stock)

    Profit itself may be negative where stock is left over, and then a share of it means nothing.

    Args:
        value, optimum: (problem,) money, expected profit of a policy and of the best one.

    Returns:
        1 for the optimum, at most 1 for any policy of the same actions; NaN where even the optimum earns nothing.
    """
    salvaged = (problem.salvage - problem.unit_cost) * problem.stock
    gain = optimum - salvaged
    share: Floats = np.divide(value - salvaged, gain, out=np.full(len(problem), np.nan), where=gain > 0)
    return share
