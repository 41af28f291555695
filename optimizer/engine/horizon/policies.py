"""Simple policies, to stand beside the optimum."""

import numpy as np

from .dynamic_programme import evaluate_policy
from .ladder import Ladder
from .policy import WIDEST_STEP, Policy
from .problem import Floats, HorizonProblem, Ints


def hold_price(problem: HorizonProblem) -> Policy:
    """Return the policy that never leaves the starting price."""
    return _static(problem, Ladder.of(problem).start, by_steps=False)


def best_static_price(problem: HorizonProblem, *, by_steps: bool = False) -> Policy:
    """Return the policy of the one price that brings most if it is never left, each price evaluated exactly.

    Args:
        by_steps: whether the price is gone to by the five steps, from the starting price, or taken at once.

    Source: Gallego and van Ryzin (1994), fixed-price heuristics: near the optimum where much is sold.
    """
    ladder = Ladder.of(problem)
    rungs = ladder.price.shape[1]
    value = np.empty((len(problem), rungs))
    for k in range(rungs):
        # Where a ladder is shorter, its last price again.
        policy = _static(problem, np.minimum(k, ladder.rungs - 1), by_steps)
        value[:, k] = evaluate_policy(problem, policy).start
    return _static(problem, value.argmax(axis=1), by_steps)


def resolved_fluid(problem: HorizonProblem) -> Policy:
    """Return the policy that takes the best price of the fluid model, solved again at every time and stock.

        max_k (p_k − salvage)·min(F_t·r_k, s) − λ·(F_t·r_k − s)⁺

    with F_t the demand at the reference price that is left to come and r_k the factor of price k: demand flows at its
    mean. Season and competitor are factors on demand, so that one price for all that is left is best in the fluid
    model without a ladder: the larger of its margin's optimum and the price that runs out of stock at the end.

    Source: Gallego and van Ryzin (1994), the deterministic problem; Talluri and van Ryzin (2004), section 5.2.
    """
    ladder = Ladder.of(problem)
    response = problem.response(ladder.price)
    to_come = _demand_to_come(problem)
    stock = np.arange(int(problem.stock.max(initial=0)) + 1.0)
    best = np.full((len(problem), problem.longest(), len(stock)), -np.inf)
    rung = np.zeros(best.shape, dtype=np.int8)
    for k in range(ladder.price.shape[1] - 1, -1, -1):
        wanted = (to_come * response[:, k, None])[:, :, None]
        sold = np.minimum(wanted, stock)
        margin = (ladder.price[:, k] - problem.salvage)[:, None, None]
        value = margin * sold - problem.shortage_cost[:, None, None] * (wanted - sold)
        better = (value > best) & (k < ladder.rungs)[:, None, None]
        np.copyto(best, value, where=better)
        np.copyto(rung, np.int8(k), where=better)
    return Policy(rung[:, :, None, :])


def _demand_to_come(problem: HorizonProblem) -> Floats:
    """Return (problem, period) expected demand at the reference price from a period to the end."""
    level = np.where(np.arange(problem.longest()) < problem.periods[:, None], problem.level(), 0.0)
    to_come: Floats = level[:, ::-1].cumsum(axis=1)[:, ::-1]
    return to_come


def _static(problem: HorizonProblem, rung: Ints, by_steps: bool) -> Policy:
    start = Ladder.of(problem).start[:, None]
    way = rung[:, None] - start
    if by_steps:
        most = WIDEST_STEP * np.arange(1, problem.longest() + 1)
        way = np.clip(way, -most, most)
    shape = (len(problem), problem.longest(), 1, int(problem.stock.max(initial=0)) + 1)
    return Policy(np.broadcast_to((start + way).astype(np.int8)[:, :, None, None], shape))
