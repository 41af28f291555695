"""The Q-network: what each of the five actions is worth."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from optimizer.engine.horizon import ACTIONS


class QNetwork(nn.Module):
    """Value the actions of a state by a duelling perceptron: a value of the state plus an advantage of each action.

    Args:
        features: how many numbers it sees.
        hidden: units of each layer.

    Source: Wang et al. (2016), "Dueling network architectures for deep reinforcement learning".
    """

    def __init__(self, features: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        widths = (features, *hidden)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        self.value = nn.Linear(widths[-1], 1)
        self.advantage = nn.Linear(widths[-1], len(ACTIONS))

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, 5) values of (n, feature) states."""
        seen = self.body(features)
        advantage = self.advantage(seen)
        value: Tensor = self.value(seen) + advantage - advantage.mean(dim=1, keepdim=True)
        return value


def best_action(values: Tensor, mask: Tensor) -> Tensor:
    """Return (n,) the action that is worth most of those that the (n, 5) bool mask admits."""
    return torch.where(mask, values, -torch.inf).argmax(dim=1)
