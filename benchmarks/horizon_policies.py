"""What simple policies earn of the exact optimum on 200 problems, and how many steps a second the environment plays.

Shares are of expected profit above salvage, from the dynamic programme and not from sampling. Speed is that of random
steps a core-second: ours all at once, beside Gymnasium's SyncVectorEnv over the same problems one by one. Both must
bring the same profits, up to four standard errors.
Run: ``.venv/bin/python -m benchmarks.horizon_policies``
"""

import platform
import statistics
import time

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from rich.console import Console
from rich.table import Table

from optimizer.engine.horizon import (
    ACTIONS,
    HorizonBatch,
    HorizonProblem,
    Policy,
    ProblemRanges,
    Solution,
    best_static_price,
    draw_problems,
    evaluate_policy,
    hold_price,
    resolved_fluid,
    share_of_optimum,
    solve_free_choice,
    solve_steps,
    step_towards,
)
from optimizer.engine.horizon.environment import PricingEnvironment

PROBLEMS, SEED = 200, 2026
SPEED_PROBLEMS, AT_ONCE, PLAYS, PEER_PLAYS, ROUNDS = 64, 4_096, 4, 10, 3
PERIODS = 26


def add_shares(table: Table, name: str, problem: HorizonProblem, policy: Policy, optimum: Solution) -> None:
    share = share_of_optimum(problem, evaluate_policy(problem, policy).start, optimum.start)
    assert (share <= 1 + 1e-9).all(), f"{name} earns more than the optimum"
    lowest, low, middle = np.quantile(share, [0, 0.05, 0.5])
    table.add_row(name, f"{share.mean():.1%}", f"{middle:.1%}", f"{low:.1%}", f"{lowest:.1%}")


def add_solution(table: Table, name: str, took: float, problem: HorizonProblem, optimum: Solution) -> None:
    again = evaluate_policy(problem, optimum.policy).start
    assert np.allclose(again, optimum.start, rtol=1e-10), f"{name}: its policy is not worth its value"
    table.add_row(f"[bold]{name}[/]", f"{took / PROBLEMS * 1e3:.1f} ms a problem")


def shares(console: Console) -> None:
    problem = draw_problems(PROBLEMS, np.random.default_rng(SEED))
    one = problem.rows(np.array([0]))
    solve_free_choice(one), solve_steps(one)  # compiles
    table = Table("share of the optimum", "mean", "median", "worst 5 %", "worst", title=f"{PROBLEMS} problems")
    began = time.perf_counter()
    free = solve_free_choice(problem)
    add_solution(table, "any price each period", time.perf_counter() - began, problem, free)
    add_shares(table, "hold", problem, hold_price(problem), free)
    add_shares(table, "best static", problem, best_static_price(problem), free)
    add_shares(table, "fluid, solved again", problem, resolved_fluid(problem), free)
    began = time.perf_counter()
    steps = solve_steps(problem)
    add_solution(table, "five steps", time.perf_counter() - began, problem, steps)
    add_shares(table, "hold", problem, hold_price(problem), steps)
    add_shares(table, "best static", problem, best_static_price(problem, by_steps=True), steps)
    add_shares(table, "fluid, solved again", problem, step_towards(problem, resolved_fluid(problem)), steps)
    console.print(table)
    lost = 1 - share_of_optimum(problem, steps.start, free.start)
    console.print(f"What five steps lose to any price: {lost.mean():.1%} in the mean, {lost.max():.1%} at most")


def played_at_once(problem: HorizonProblem, seed: int) -> tuple[float, np.ndarray]:
    """Return seconds a step and the profits of problems played by random steps."""
    many = problem.rows(np.resize(np.arange(len(problem)), AT_ONCE))
    batch, actions = HorizonBatch(many, np.random.default_rng(seed)), np.random.default_rng(seed + 1)
    profit = np.zeros((PLAYS, AT_ONCE))
    began = time.process_time()
    for play in range(PLAYS):
        batch.reset()
        for _ in range(PERIODS):
            profit[play] += batch.step(actions.integers(0, len(ACTIONS), AT_ONCE))[1]
    return (time.process_time() - began) / (PLAYS * PERIODS * AT_ONCE), profit


def played_one_by_one(problem: HorizonProblem, seed: int) -> tuple[float, np.ndarray]:
    rows = [problem.rows(np.array([row])) for row in range(len(problem))]
    environments = SyncVectorEnv(
        [lambda row=row: PricingEnvironment(row) for row in rows], autoreset_mode=AutoresetMode.DISABLED
    )
    actions, profit = np.random.default_rng(seed + 1), np.zeros((PEER_PLAYS, len(rows)))
    began = time.process_time()
    for play in range(PEER_PLAYS):
        environments.reset(seed=[seed + play * len(rows) + row for row in range(len(rows))])
        for _ in range(PERIODS):
            profit[play] += environments.step(actions.integers(0, len(ACTIONS), len(rows)))[1]
    return (time.process_time() - began) / profit.size / PERIODS, profit


def assert_alike(ours: np.ndarray, peer: np.ndarray) -> None:
    """Compare profits, (play, problem) each: the sum of the problems' z-values is normal."""
    error = ours.std(axis=0) * np.sqrt(1 / len(ours) + 1 / len(peer))
    z = (ours.mean(axis=0) - peer.mean(axis=0)) / error
    assert abs(z.sum()) / np.sqrt(z.size) < 4, "batch and environment do not earn the same"


def speed(console: Console) -> None:
    ranges = ProblemRanges(periods=(PERIODS, PERIODS))
    problem = draw_problems(SPEED_PROBLEMS, np.random.default_rng(SEED), ranges)
    ours, peer = [], []
    for seed in range(ROUNDS):
        seconds, profit = played_at_once(problem, seed)
        peer_seconds, peer_profit = played_one_by_one(problem, seed)
        ours.append(seconds)
        peer.append(peer_seconds)
        assert_alike(profit.reshape(-1, SPEED_PROBLEMS), peer_profit)
    table = Table("random steps", "a core-second", title=f"{platform.machine()}, medians of {ROUNDS}")
    table.add_row(f"{AT_ONCE:,} at once", f"{1 / statistics.median(ours):,.0f}")
    table.add_row("SyncVectorEnv", f"{1 / statistics.median(peer):,.0f}")
    console.print(table)
    console.print(f"ratio {statistics.median(p / o for p, o in zip(peer, ours, strict=True)):,.0f}")
    assert statistics.median(ours) < 1e-5, "fewer than 100,000 steps a second"


def main() -> None:
    console = Console()
    shares(console)
    speed(console)


if __name__ == "__main__":
    main()
