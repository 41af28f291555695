"""Learn from a log alone, without trust in actions that the log does not show."""

import copy
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from optimizer.engine.devices import resolve_device

from .network import QNetwork
from .returns import double_value
from .training import descend, move, new_network
from .transitions import Transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineConfig:
    """Hold what decides a training from a log.

    Args:
        conservatism: α of CQL(H), how much actions that the log does not show are pressed down; 0 is plain double DQN.
        temperature: τ, in the unit of values: how much better an action must look to be pressed down alone. Values
            differ by hundredths between actions, so that at 1 all would be pressed alike and those of the log lifted.
        The other arguments are those of `DqnConfig`.
    """

    seed: int = 0
    hidden: tuple[int, ...] = (64, 64)
    conservatism: float = 0.1
    temperature: float = 0.03
    batch: int = 512
    updates: int = 2_000
    learning_rate: float = 1e-3
    target_rate: float = 0.02
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.conservatism >= 0:
            raise ValueError(f"conservatism: {self.conservatism}; give 0 or more")
        for name in ("batch", "updates"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)}; give 1 or more")
        for name in ("temperature", "learning_rate", "target_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name}: {getattr(self, name)}; give a number above 0, at most 1")


def train_offline(transitions: Transitions, config: OfflineConfig) -> QNetwork:
    """Train by double Q-learning on the log, regularised by CQL(H).

        loss = (Q(s, a) − target)²/2 + α·(τ·ln Σ_b exp(Q(s, b)/τ) − Q(s, a))

    Actions that the log shows seldom are valued low, so that the policy stays near what was seen to work.

    Source: Kumar, Zhou, Tucker and Levine (2020), "Conservative Q-learning for offline reinforcement learning",
    equation 4.

    Raises:
        ValueError: there is no such device.
    """
    device = resolve_device(config.device).search
    online = new_network(config.seed, config.hidden, device)
    target, rng = copy.deepcopy(online), np.random.default_rng(config.seed)
    optimiser = torch.optim.Adam(online.parameters(), lr=config.learning_rate)
    log = [_tensor(getattr(transitions, field.name), device) for field in fields(transitions)]
    for _ in range(config.updates):
        rows = torch.from_numpy(rng.integers(0, len(transitions.action), config.batch)).to(device)
        loss = conservative_loss(online, target, [column[rows] for column in log], config)
        descend(online, optimiser, loss)
        move(target, online, config.target_rate)
    return online


def conservative_loss(online: QNetwork, target: QNetwork, log: list[Tensor], config: OfflineConfig) -> Tensor:
    """Return the loss of rows of a log, the fields of `Transitions` in their order."""
    seen, action, reward, ahead, admitted, done, unit_ratio = log
    with torch.no_grad():
        reached = double_value(online(ahead), target(ahead), admitted) * unit_ratio
        worth = reward + torch.where(done, 0.0, reached)
    values = online(seen)
    taken = values.gather(1, action[:, None])[:, 0]
    gap = config.temperature * torch.logsumexp(values / config.temperature, dim=1) - taken
    loss: Tensor = torch.nn.functional.mse_loss(taken, worth) / 2 + config.conservatism * gap.mean()
    return loss


def _tensor(values: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(values)
    return (tensor.float() if tensor.is_floating_point() else tensor).to(device)
