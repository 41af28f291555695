"""States to learn from, and what each action brings there."""

import numpy as np
import torch
from torch import Tensor

from optimizer.engine.horizon import ACTIONS, HorizonBatch, draw_problems
from optimizer.engine.horizon.problem import Bools, Ints

from .config import DqnConfig
from .exploration import sometimes_random
from .network import QNetwork, best_action
from .returns import double_value, n_step_return
from .sight import Sight, View

Actions = len(ACTIONS)


class Player:
    """Play drawn problems, an action by the network or at random, and try out all five actions of each state.

    A second batch holds each problem once for every action and demand. It is put into the states of the first, takes
    each action, then those that the network prefers, for n periods in all.
    """

    def __init__(self, config: DqnConfig, device: torch.device) -> None:
        self._config, self._device = config, device
        self._rng = np.random.default_rng([config.seed, 0])
        self._row = np.arange(config.batch)
        self._copies = Actions * config.demands
        self._fan_row = np.repeat(self._row, self._copies)
        self._first = np.tile(np.repeat(np.arange(Actions), config.demands), config.batch)
        self.draw()

    def draw(self) -> None:
        """Draw other problems, and begin each at any time, price and stock, so that all are learned of."""
        problem = draw_problems(self._config.batch, self._rng, self._config.ranges)
        self._sight = Sight(problem)
        self._batch = HorizonBatch(problem, self._rng)
        self._fan = HorizonBatch(problem.rows(self._fan_row), self._rng)
        share = self._rng.uniform(0, 1, (3, len(problem)))
        self._batch.period = (share[0] * problem.periods).astype(np.int64)
        self._batch.rung = (share[1] * self._sight.ladder.rungs).astype(np.int64)
        self._batch.stock = 1 + (share[2] * problem.stock).astype(np.int64)
        np.minimum(self._batch.stock, problem.stock, out=self._batch.stock)

    @torch.no_grad()
    def lesson(self, online: QNetwork, target: QNetwork) -> tuple[Tensor, Tensor, Tensor]:
        """Return (n, feature) what is seen, (n, 5) bool mask and (n, 5) targets, then play a period on."""
        batch = self._batch
        view = self._look(batch, self._row)
        mask = self._sight.mask(self._row, batch.rung)
        worth = self._worth(view, online, target)
        action = self._explored(online, view, mask)
        batch.play(self._sight.ladder.stepped(batch.rung, action))
        batch.restart(batch.done)
        return self._tensor(view.features), self._tensor(mask), worth

    def _worth(self, view: View, online: QNetwork, target: QNetwork) -> Tensor:
        """Return (n, 5) mean targets in the unit of each state."""
        fan, row = self._fan, self._fan_row
        fan.period, fan.rung = self._batch.period[row], self._batch.rung[row]
        fan.stock, fan.demand = self._batch.stock[row], np.zeros_like(row)
        unit, potential, action = view.scale[row], view.potential[row], self._first
        rewards, ended = [], []
        while True:
            reward = fan.play(fan.ladder.stepped(fan.rung, action))
            ahead = self._look(fan, row)
            rewards.append(reward + ahead.potential - potential)
            ended.append(fan.done)
            seen, mask = self._tensor(ahead.features), self._tensor(self._sight.mask(row, fan.rung))
            values, potential = online(seen), ahead.potential
            if len(rewards) == self._config.n_step:
                break
            action = best_action(values, mask).cpu().numpy()
        reached = double_value(values, target(seen), mask) * self._tensor((ahead.scale / unit).astype(np.float32))
        shaped = self._tensor((np.stack(rewards, axis=1) / unit[:, None]).astype(np.float32))
        worth = n_step_return(shaped, self._tensor(np.stack(ended, axis=1)), reached)
        return worth.reshape(-1, Actions, self._config.demands).mean(dim=2)

    def _explored(self, online: QNetwork, view: View, mask: Bools) -> Ints:
        """Return (n,) the network's actions, but for some at random among the admitted."""
        greedy = best_action(online(self._tensor(view.features)), self._tensor(mask)).cpu().numpy()
        return sometimes_random(greedy, mask, self._config.epsilon, self._rng)

    def _look(self, batch: HorizonBatch, row: Ints) -> View:
        return self._sight.look(row, batch.period, batch.rung, batch.stock)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self._device)
