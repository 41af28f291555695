"""Ask policies what they would do where markdown plans decide. Only workers and commands load this file."""

from datetime import datetime
from typing import Final

import numpy as np

from optimizer.engine.horizon import HorizonProblem, Policy, evaluate_policy, share_of_optimum, solve_steps
from optimizer.engine.horizon.ladder import Ladder
from optimizer.engine.q_learning import QNetwork, first_rungs, from_bytes
from optimizer.models import HorizonPolicy, MarkdownStep, ShadowDecision
from optimizer.services.shadow_problems import newest_policies, shadow_problem, steps_without

BATCH: Final = 50
"""Decisions of one transaction: some seconds of a core where stocks are large."""


def shadow_policies(*, now: datetime) -> int:
    """Write down what the newest policy of each channel would have done at every decision of its plans; count them.

    Nothing is served and nothing of a plan is touched. A transaction for each fifty decisions: killed, the next call
    goes on; called twice at once, each decision is written down once.
    """
    return sum(_shadow(policy, now) for policy in newest_policies())


def _shadow(policy: HorizonPolicy, now: datetime) -> int:
    count, network = 0, None
    while steps := steps_without(policy, BATCH):
        network = network or from_bytes(bytes(policy.artefact))[0]
        decisions = [_decision(policy, network, step, now) for step in steps]
        ShadowDecision.objects.bulk_create(decisions, ignore_conflicts=True)
        count += len(steps)
    return count


def _decision(policy: HorizonPolicy, network: QNetwork, step: MarkdownStep, now: datetime) -> ShadowDecision:
    problem = shadow_problem(step)
    decision = ShadowDecision(policy=policy, step=step, decided_at=now)
    if isinstance(problem, str):
        decision.left_out = problem
        return decision
    ladder, rung = Ladder.of(problem), first_rungs(network, problem)
    best, share = _beside_the_best(problem, int(rung[0]))
    decision.price, decision.best_price = float(ladder.price[0, rung[0]]), float(ladder.price[0, best])
    decision.share = None if np.isnan(share) else share
    return decision


def _beside_the_best(problem: HorizonProblem, rung: int) -> tuple[int, float]:
    """Return the rung that is best now, and the share of its value that taking another one now leaves to be earned."""
    best = solve_steps(problem)
    start, stock = int(Ladder.of(problem).start[0]), int(problem.stock[0])
    first = int(best.policy.rung[0, 0, start, stock])
    table = best.policy.rung.copy()
    table[0, 0, start, stock] = rung
    value = evaluate_policy(problem, Policy(table)).start
    return first, float(share_of_optimum(problem, value, best.start)[0])
