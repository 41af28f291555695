"""What a state–action is worth by what came after it."""

import torch
from torch import Tensor

from .network import best_action


def double_value(online: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return (n,) the target network's value of the action that the online network would take.

    Args:
        online, target: (n, 5) values by either network.
        mask: (n, 5) bool, which actions are admitted.

    Source: van Hasselt, Guez and Silver (2016), "Deep reinforcement learning with double Q-learning".
    """
    return target.gather(1, best_action(online, mask)[:, None])[:, 0]


def n_step_return(reward: Tensor, done: Tensor, ahead: Tensor) -> Tensor:
    """Return (n,) the sum of rewards up to the end of the problem, with the value ahead where it has not ended.

    Nothing is discounted: a horizon ends.

    Args:
        reward: (n, step) of each step.
        done: (n, step) bool, whether the problem has ended after it.
        ahead: (n,) value of the state after the last step.
    """
    ended_before = torch.cat([torch.zeros_like(done[:, :1]), done[:, :-1]], dim=1)
    total = torch.where(ended_before, 0.0, reward).sum(dim=1)
    return total + torch.where(done.any(dim=1), 0.0, ahead)
