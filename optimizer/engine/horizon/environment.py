"""One problem as an environment of Gymnasium. Needs the extra `rl`."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from .batch import HorizonBatch
from .ladder import ACTIONS
from .observation import FEATURES, OBSERVATION_BOUND, Observations
from .problem import HorizonProblem


class PricingEnvironment(gymnasium.Env[Observations, np.int64]):
    """Let an agent price one product until its horizon ends.

    It is a `HorizonBatch` of one: rules, rewards and observations are the same. After `reset(seed=n)` it plays as a
    batch of this problem with `numpy.random.default_rng(n)`.

    Observation: (13,) float32 without units, in [−10, 10]; `optimizer.engine.horizon.observation` says which. Action: a
    place of `ACTIONS`, from two steps down to two up. Reward: money. An episode terminates after its last period and
    is never truncated. Info: ``action_mask`` (5,) int8, 1 where the price stays between the guardrails (an action that
    does not ends at the guardrail); ``price`` in force, money; ``stock`` and ``demand``, units.

    Args:
        problem: a batch of one.

    Raises:
        ValueError: the batch has another size; in `step`, the action is none of the five.
    """

    def __init__(self, problem: HorizonProblem) -> None:
        if len(problem) != 1:
            raise ValueError(f"problem: {len(problem)} rows; give one, for instance problem.rows(slice(0, 1))")
        self.observation_space = spaces.Box(-OBSERVATION_BOUND, OBSERVATION_BOUND, (len(FEATURES),), np.float32)
        self.action_space = spaces.Discrete(len(ACTIONS))
        self._batch = HorizonBatch(problem, self.np_random)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        super().reset(seed=seed)
        return self._batch.reset(self.np_random)[0], self._info()

    def step(self, action: np.int64) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        seen, reward, done = self._batch.step(np.array([action]))
        return seen[0], float(reward[0]), bool(done[0]), False, self._info()

    def _info(self) -> dict[str, Any]:
        batch = self._batch
        return {
            "action_mask": batch.action_mask()[0].astype(np.int8),
            "price": float(batch.price[0]),
            "stock": int(batch.stock[0]),
            "demand": int(batch.demand[0]),
        }
