"""What a log shows: states, the actions taken there, and what came after."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from optimizer.engine.horizon import ACTIONS, HorizonBatch, HorizonProblem, Policy
from optimizer.engine.horizon.observation import Observations
from optimizer.engine.horizon.policy import WIDEST_STEP
from optimizer.engine.horizon.problem import Bools, Floats, Ints

from .exploration import sometimes_random
from .sight import FEATURES, Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """Hold what happened, n rows of n steps each: one where rewards are of single periods.

    Args:
        seen: (n, feature) float32, in the order of `FEATURES`.
        action: (n,) int64, a place of `ACTIONS`.
        reward: (n,) float64, the sum over the steps, in the unit of the state: shaped by the potential.
        ahead: (n, feature) float32, what was seen after them.
        admitted: (n, 5) bool, which actions were admitted then.
        done: (n,) bool, whether the problem had ended.
        unit_ratio: (n,) float64, the unit of the state after them / that of the state.

    Raises:
        ValueError: a field has another number of rows, or a value outside its domain.
    """

    seen: Observations
    action: Ints
    reward: Floats
    ahead: Observations
    admitted: Bools
    done: Bools
    unit_ratio: Floats

    def __post_init__(self) -> None:
        rows = len(self.action)
        if not rows:
            raise ValueError("action: no transitions; give one or more")
        for field in fields(self):
            if len(getattr(self, field.name)) != rows:
                raise ValueError(f"{field.name}: {len(getattr(self, field.name))} rows for {rows} actions")
        for name in ("seen", "ahead"):
            if getattr(self, name).shape[1:] != (len(FEATURES),):
                raise ValueError(f"{name}: {getattr(self, name).shape}; give (n, {len(FEATURES)})")
        if self.action.min() < 0 or self.action.max() >= len(ACTIONS):
            raise ValueError(f"action: give whole numbers from 0 to {len(ACTIONS) - 1}")
        for name in ("seen", "ahead", "reward", "unit_ratio"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name}: give finite numbers")
        if not (self.admitted.any(axis=1) | self.done).all():
            raise ValueError("admitted: a state admits no action; holding the price always is")

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Return the transitions of all parts."""
        return cls(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)}
        )


def log_of_play(
    problem: HorizonProblem, policy: Policy, rng: np.random.Generator, *, noise: float = 0.0
) -> Transitions:
    """Play problems once by a policy, with a share of steps at random, and return what happened.

    Steps that the policy wants are cut to the five actions.
    """
    batch, sight, row = HorizonBatch(problem, rng), Sight(problem), np.arange(len(problem))
    place = int(policy.rung.shape[2] > 1)
    parts: list[Transitions] = []
    while not batch.done.all():
        running = ~batch.done
        before = sight.look(row, batch.period, batch.rung, batch.stock)
        period = np.minimum(batch.period, problem.periods - 1)
        way = policy.rung[row, period, batch.rung * place, batch.stock] - batch.rung
        wanted = np.clip(way, -WIDEST_STEP, WIDEST_STEP) + WIDEST_STEP
        action = sometimes_random(wanted, batch.action_mask(), noise, rng)
        reward = batch.play(batch.ladder.stepped(batch.rung, action))
        after = sight.look(row, batch.period, batch.rung, batch.stock)
        parts.append(
            Transitions(
                seen=before.features[running],
                action=action[running],
                reward=((reward + after.potential - before.potential) / before.scale)[running],
                ahead=after.features[running],
                admitted=batch.action_mask()[running],
                done=batch.done[running],
                unit_ratio=(after.scale / before.scale)[running],
            )
        )
    return Transitions.join(parts)
