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
    ladder, rung = Ladder.of(problem), int(first_rungs(network, problem)[0])
    best, (share, served) = _beside_the_best(problem, [rung, _served_rung(ladder, step)])
    decision.price, decision.best_price = float(ladder.price[0, rung]), float(ladder.price[0, best])
    decision.share, decision.served_share = share, served
    return decision


def _served_rung(ladder: Ladder, step: MarkdownStep) -> int:
    """Return the rung next to the price that the plan served: its own, or the one in force where that did not come."""
    came = step.price is not None and step.outcome in {MarkdownStep.Outcome.PUBLISHED, MarkdownStep.Outcome.UNCHANGED}
    price = float(step.price if came and step.price is not None else step.previous_price)
    return int(np.abs(np.log(ladder.price[0, : ladder.rungs[0]] / price)).argmin())


def _beside_the_best(problem: HorizonProblem, rungs: list[int]) -> tuple[int, list[float | None]]:
    """Return the rung that is best now, and the shares of its value that taking others now leaves to be earned."""
    best = solve_steps(problem)
    start, stock = int(Ladder.of(problem).start[0]), int(problem.stock[0])
    first = int(best.policy.rung[0, 0, start, stock])
    shares: list[float | None] = []
    for rung in rungs:
        table = best.policy.rung.copy()
        table[0, 0, start, stock] = rung
        share = float(share_of_optimum(problem, evaluate_policy(problem, Policy(table)).start, best.start)[0])
        shares.append(None if np.isnan(share) else share)
    return first, shares
