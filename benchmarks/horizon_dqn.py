"""What a Q-network earns of the exact optimum on 200 problems, beside simple policies and Stable-Baselines3's DQN.

Both learners have the same wall time and cores, and are judged on problems that neither has seen, exactly and not by
sampling. Ours sees closed-form features of the fluid model, the peer the observation of the environment.
Run: ``.venv/bin/python -m benchmarks.horizon_dqn --minutes 10``
"""

import argparse
import importlib.util
import time
from typing import Any

import gymnasium
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from optimizer.engine.horizon import (
    ACTIONS,
    HorizonProblem,
    Policy,
    best_static_price,
    draw_problems,
    evaluate_policy,
    hold_price,
    resolved_fluid,
    share_of_optimum,
    solve_steps,
    step_towards,
)
from optimizer.engine.horizon.environment import PricingEnvironment
from optimizer.engine.horizon.ladder import Ladder
from optimizer.engine.horizon.observation import Observer
from optimizer.engine.q_learning import DqnConfig, greedy_policy, train_dqn

PROBLEMS, SEED = 200, 2026
INSTALL = (
    "Stable-Baselines3 is missing: pip install --no-deps --target DIR stable-baselines3==2.9.2, then PYTHONPATH=DIR"
)


class RandomProblems(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Give each episode a problem of its own, and rewards as shares of what it could sell at its reference price."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 2])
        self._unit = 1.0
        super().__init__(self._drawn())

    def _drawn(self) -> PricingEnvironment:
        problem = draw_problems(1, self._rng)
        self._unit = float(problem.reference[0] * problem.stock[0])
        return PricingEnvironment(problem)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.env = self._drawn()
        return self.env.reset(seed=int(self._rng.integers(2**31)) if seed is None else seed, options=options)

    def step(self, action: Any) -> Any:
        seen, reward, ended, cut, info = self.env.step(action)
        return seen, float(reward) / self._unit, ended, cut, info


def train_peer(seconds: float) -> tuple[Any, float]:
    """Return Stable-Baselines3's DQN after so many seconds, and its steps a second."""
    from stable_baselines3 import DQN
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_checker import check_env

    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            return time.monotonic() - began < seconds

    check_env(PricingEnvironment(draw_problems(1, np.random.default_rng(SEED))))
    model = DQN(
        "MlpPolicy",
        RandomProblems(SEED),
        gamma=1.0,
        learning_rate=5e-4,
        buffer_size=200_000,
        learning_starts=5_000,
        batch_size=256,
        train_freq=8,
        gradient_steps=2,
        target_update_interval=2_000,
        exploration_final_eps=0.1,
        policy_kwargs={"net_arch": [128, 128]},
        seed=SEED,
        device="cpu",
    )
    began = time.monotonic()
    model.learn(100_000_000, callback=Stop())
    return model, model.num_timesteps / (time.monotonic() - began)


@torch.no_grad()
def peer_policy(model: Any, problem: HorizonProblem) -> Policy:
    """Return the peer's greedy actions as a table; the demand it sees is what the price in force makes expected."""
    ladder = Ladder.of(problem)
    shape = (len(problem), problem.longest(), ladder.price.shape[1], int(problem.stock.max()) + 1)
    rung = np.zeros(shape, dtype=np.int8)
    level = problem.level()
    for row in range(len(problem)):
        sizes = (int(problem.periods[row]), int(ladder.rungs[row]), int(problem.stock[row]) + 1)
        period, before, stock = (places.ravel() for places in np.indices(sizes))
        price = ladder.price[row, before]
        observer = Observer(problem.rows(np.full(len(period), row)))
        expected = level[row, np.maximum(period - 1, 0)] * (price / problem.reference[row]) ** problem.elasticity[row]
        demand = np.where(period > 0, np.rint(expected), 0).astype(np.int64)
        seen = torch.from_numpy(observer.observe(period=period, price=price, stock=stock, demand=demand))
        action = model.q_net(seen).argmax(dim=1).numpy()
        after = np.clip(before + ACTIONS[action], 0, sizes[1] - 1)
        rung[row, : sizes[0], : sizes[1], : sizes[2]] = after.reshape(sizes)
    return Policy(rung)


def report(console: Console, problem: HorizonProblem, policies: dict[str, Policy]) -> None:
    optimum = solve_steps(problem).start
    table = Table("share of the optimum", "mean", "median", "worst 5 %", "worst", title=f"{PROBLEMS} problems")
    means = {}
    for name, policy in policies.items():
        share = share_of_optimum(problem, evaluate_policy(problem, policy).start, optimum)
        assert (share <= 1 + 1e-9).all(), f"{name} earns more than the optimum"
        lowest, low, middle = np.quantile(share, [0, 0.05, 0.5])
        means[name] = share.mean()
        table.add_row(name, f"{share.mean():.2%}", f"{middle:.2%}", f"{low:.2%}", f"{lowest:.2%}")
    console.print(table)
    console.print(f"{max(means, key=lambda name: means[name])} wins")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="wall time of each learner")
    parser.add_argument("--cores", type=int, default=2, help="threads of each learner; 1 beside other work")
    options = parser.parse_args()
    seconds = options.minutes * 60
    console = Console()
    if importlib.util.find_spec("stable_baselines3") is None:
        raise SystemExit(INSTALL)
    torch.set_num_threads(options.cores)
    problem = draw_problems(PROBLEMS, np.random.default_rng(SEED))
    config = DqnConfig(max_seconds=seconds, max_updates=1_000_000, device="cpu")
    busy = time.process_time()
    ours = train_dqn(config, lambda now: console.print(f"{now.seconds:.0f} s: {now.share:.2%} in validation"))
    played = ours.updates * config.batch * len(ACTIONS) * config.demands * config.n_step
    console.print(f"ours: {played / ours.seconds:,.0f} steps a second, {ours.updates:,} updates")
    console.print(f"ours: {time.process_time() - busy:.0f} core-seconds in {ours.seconds:.0f} s")
    busy = time.process_time()
    peer, speed = train_peer(seconds)
    console.print(f"Stable-Baselines3: {speed:,.0f} steps a second")
    console.print(f"Stable-Baselines3: {time.process_time() - busy:.0f} core-seconds in {seconds:.0f} s")
    policies = {
        "hold": hold_price(problem),
        "best static": best_static_price(problem, by_steps=True),
        "fluid, solved again": step_towards(problem, resolved_fluid(problem)),
        "Stable-Baselines3": peer_policy(peer, problem),
        "ours": greedy_policy(ours.network, problem),
    }
    report(console, problem, policies)


if __name__ == "__main__":
    main()
