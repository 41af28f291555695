"""The optimum, and what any policy is expected to bring: backward induction over time, stock and price."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

from .ladder import Ladder
from .policy import WIDEST_STEP, Codes, Policy
from .problem import MAX_STOCK, Bools, Floats, HorizonProblem

_NEGLIGIBLE: Final = 1e-30
"""Probability beyond the mode that no float64 sum of a value would show."""

_LOG_FACTORIAL: Final = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, MAX_STOCK + 1)))])


@dataclass(frozen=True, slots=True)
class Solution:
    """Hold a policy of each problem, and what it is expected to bring.

    Args:
        policy: the best one, or the one that was asked about.
        value: (problem, period, before, stock) float64 money, the expected profit from the beginning of a period on;
            the period after the last holds what the end brings. `before` has one place where any price may follow.
        start: (problem,) float64 money, the value at the beginning.
    """

    policy: Policy
    value: Floats
    start: Floats


def solve_free_choice(problem: HorizonProblem) -> Solution:
    """Maximise expected profit where each period may take any price of the ladder.

        V_t(s) = max_k { (p_k − c)·E[min(D, s)] − λ·E[(D − s)⁺] + E V_{t+1}((s − D)⁺) },  V_T(s) = (salvage − c)·s

    with D Poisson and λ the shortage cost. Demand of the stock or more sells out, with the rest of the probability:
    nothing is cut off. Of prices that are worth the same the highest is taken. Values take
    8·problems·(periods + 1)·(stock + 1) bytes, with the longest horizon and the largest stock.

    Source: Gallego and van Ryzin (1994), in discrete time; Talluri and van Ryzin (2004), section 5.2.
    """
    return _solve(problem, before=1)


def solve_steps(problem: HorizonProblem) -> Solution:
    """Maximise expected profit where each period takes one of the five steps from the price before, a state too.

        V_t(k, s) = max_{|j − k| ≤ 2} { (p_j − c)·E[min(D, s)] − λ·E[(D − s)⁺] + E V_{t+1}(j, (s − D)⁺) }

    Of prices that are worth the same the one before stays, else the highest is taken. Values take as many bytes as
    those of `solve_free_choice`, times rungs.
    """
    return _solve(problem, before=Ladder.of(problem).price.shape[1])


def evaluate_policy(problem: HorizonProblem, policy: Policy) -> Solution:
    """Return what a policy is expected to bring: the same recursion with its price instead of the best.

    Raises:
        ValueError: the policy is not of these problems, or takes a price that is not on the ladder.
    """
    ladder = Ladder.of(problem)
    before = policy.rung.shape[2]
    wanted = (len(problem), problem.longest(), before, int(problem.stock.max(initial=0)) + 1)
    if policy.rung.shape != wanted or before not in (1, ladder.price.shape[1]):
        raise ValueError(f"policy: {policy.rung.shape} for problems that need {wanted}; make it for these problems")
    used = _used(problem, ladder, before)
    outside = (policy.rung < 0) | (policy.rung >= ladder.rungs[:, None, None, None])
    if (outside & used).any():
        raise ValueError("policy: a rung is not on the ladder of its problem; give 0 to rungs − 1")
    return _recursion(problem, ladder, np.ascontiguousarray(policy.rung), False)


def _used(problem: HorizonProblem, ladder: Ladder, before: int) -> Bools:
    """Return which places of a policy's table stand for a state of their problem, the others fill the table."""
    period = np.arange(problem.longest()) < problem.periods[:, None]
    rung = np.arange(before) < ladder.rungs[:, None]
    stock = np.arange(int(problem.stock.max(initial=0)) + 1) <= problem.stock[:, None]
    used: Bools = period[:, :, None, None] & rung[:, None, :, None] & stock[:, None, None, :]
    return used


def _solve(problem: HorizonProblem, before: int) -> Solution:
    shape = (len(problem), problem.longest(), before, int(problem.stock.max(initial=0)) + 1)
    return _recursion(problem, Ladder.of(problem), np.zeros(shape, dtype=np.int8), True)


def _recursion(problem: HorizonProblem, ladder: Ladder, rung: Codes, choose: bool) -> Solution:
    size, periods, before, width = rung.shape
    value = np.zeros((size, periods + 1, before, width))
    level, response = problem.level(), problem.response(ladder.price)
    for row in range(size):
        _backward(
            level[row, : problem.periods[row]],
            response[row, : ladder.rungs[row]],
            ladder.price[row] - problem.unit_cost[row],
            problem.shortage_cost[row],
            problem.salvage[row] - problem.unit_cost[row],
            problem.stock[row],
            value[row],
            rung[row],
            choose,
            _LOG_FACTORIAL,
        )
    at = ladder.start if before > 1 else np.zeros(size, dtype=np.int64)
    return Solution(Policy(rung), value, value[np.arange(size), 0, at, problem.stock])


@njit(cache=True)
def _backward(
    level: Floats,
    response: Floats,
    margin: Floats,
    shortage_cost: float,
    end: float,
    stock: int,
    value: Floats,
    rung: Codes,
    choose: bool,
    log_factorial: Floats,
) -> None:
    """Fill `value`, and where there is a choice `rung`, of one problem from its last period to its first."""
    rungs, free = len(response), value.shape[1] == 1
    worth = np.empty((rungs, stock + 1))
    chance = np.empty(stock + 1)
    for period in range(len(level), value.shape[0]):
        value[period, :, : stock + 1] = end * np.arange(stock + 1)
    for period in range(len(level) - 1, -1, -1):
        for k in range(rungs):
            if not choose and not np.any(rung[period, :, : stock + 1] == k):
                continue
            last = _poisson(level[period] * response[k], stock, chance, log_factorial)
            ahead = value[period + 1, 0 if free else k]
            _worth(level[period] * response[k], margin[k], shortage_cost, ahead, chance, last, worth[k])
        for before in range(1 if free else rungs):
            for s in range(stock + 1):
                if choose:
                    rung[period, before, s] = _best(worth[:, s], before, free)
                value[period, before, s] = worth[rung[period, before, s], s]


@njit(cache=True)
def _poisson(mean: float, stock: int, chance: Floats, log_factorial: Floats) -> int:
    """Fill (stock + 1,) P(D = d), and return after which d it is nothing."""
    last = 0
    if mean == 0.0:  # a price so high that its demand cannot be told from none
        chance[:] = 0.0
        chance[0] = 1.0
        return last
    for d in range(stock + 1):
        chance[d] = np.exp(d * np.log(mean) - mean - log_factorial[d])
        if chance[d] > _NEGLIGIBLE:
            last = d
    return last


@njit(cache=True)
def _worth(
    mean: float, margin: float, shortage_cost: float, ahead: Floats, chance: Floats, last: int, worth: Floats
) -> None:
    """Fill (stock + 1,) what a price is worth now and later, for each stock."""
    sold, at_least = 0.0, 1.0  # E[min(D, s)] and P(D ≥ s)
    for s in range(len(worth)):
        later = at_least * ahead[0]
        for d in range(min(s, last + 1)):
            later += chance[d] * ahead[s - d]
        worth[s] = margin * sold - shortage_cost * (mean - sold) + later
        at_least = max(at_least - chance[s], 0.0)
        sold += at_least


@njit(cache=True)
def _best(worth: Floats, before: int, free: bool) -> int:
    top = len(worth) - 1
    best = top if free else before
    low, high = (0, top) if free else (max(0, before - WIDEST_STEP), min(top, before + WIDEST_STEP))
    for k in range(high, low - 1, -1):
        if worth[k] > worth[best]:
            best = k
    return best
