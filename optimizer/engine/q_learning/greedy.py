"""The policy of a network, as a table whose profit the dynamic programme computes."""

from typing import Final

import numpy as np
import torch

from optimizer.engine.horizon import ACTIONS, HorizonProblem, Policy
from optimizer.engine.horizon.ladder import Ladder
from optimizer.engine.horizon.problem import Ints

from .network import QNetwork, best_action
from .sight import Sight

AT_ONCE: Final = 65_536
"""States a pass through the network: 32 MiB a layer of 128."""


def greedy_policy(network: QNetwork, problem: HorizonProblem) -> Policy:
    """Return the action that the network values most, at every time, price in force and stock of each problem."""
    ladder = Ladder.of(problem)
    shape = (len(problem), problem.longest(), ladder.price.shape[1], int(problem.stock.max(initial=0)) + 1)
    rung = np.zeros(shape, dtype=np.int8)
    sight = Sight(problem)
    for row in range(len(problem)):
        sizes = (int(problem.periods[row]), int(ladder.rungs[row]), int(problem.stock[row]) + 1)
        period, before, stock = (places.ravel() for places in np.indices(sizes))
        after = np.empty(len(period), dtype=np.int8)
        rows = np.full(len(period), row)
        for begin in range(0, len(period), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            after[part] = _after(network, sight, rows[part], period[part], before[part], stock[part])
        rung[row, : sizes[0], : sizes[1], : sizes[2]] = after.reshape(sizes)
    return Policy(rung)


@torch.no_grad()
def _after(
    network: QNetwork, sight: Sight, rows: np.ndarray, period: np.ndarray, before: np.ndarray, stock: np.ndarray
) -> np.ndarray:
    device = next(network.parameters()).device
    features = torch.from_numpy(sight.look(rows, period, before, stock).features).to(device)
    mask = torch.from_numpy(sight.mask(rows, before)).to(device)
    action = best_action(network(features), mask).cpu().numpy()
    after: np.ndarray = before + ACTIONS[action]
    return after


def first_rungs(network: QNetwork, problem: HorizonProblem) -> Ints:
    """Return (problem,) the rung that the network takes in the first period."""
    ladder, sight = Ladder.of(problem), Sight(problem)
    rows = np.arange(len(problem))
    return _after(network, sight, rows, np.zeros_like(rows), ladder.start, problem.stock)
