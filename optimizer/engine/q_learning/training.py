"""Train a Q-network on problems drawn without end."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optimizer.engine.devices import resolve_device
from optimizer.engine.horizon import draw_problems, evaluate_policy, share_of_optimum, solve_steps

from .config import VALIDATION, DqnConfig
from .greedy import greedy_policy
from .network import QNetwork
from .play import Player
from .sight import FEATURES


@dataclass(frozen=True, slots=True)
class Progress:
    """Hold how far a training is: updates, wall seconds, the loss, and the mean exact share of the optimum."""

    updates: int
    seconds: float
    loss: float
    share: float


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """Hold the network that did best in validation, its share there, and what the training took."""

    network: QNetwork
    config: DqnConfig
    updates: int
    seconds: float
    share: float


def train_dqn(config: DqnConfig, progress: Callable[[Progress], None] = lambda _: None) -> TrainedNetwork:
    """Train by double Q-learning with n-step returns and a target network.

    Rewards are shaped by a closed-form potential, which leaves the best policy as it is, and counted in a unit of each
    state. All admitted actions of a state are learned of at once, each from several demands.

    Source: Mnih et al. (2015), "Human-level control through deep reinforcement learning"; Ng, Harada and Russell
    (1999), "Policy invariance under reward transformations".

    Raises:
        ValueError: there is no such device.
    """
    device = resolve_device(config.device).search
    online = new_network(config.seed, config.hidden, device)
    target, averaged = copy.deepcopy(online), copy.deepcopy(online)
    best, player = copy.deepcopy(online), Player(config, device)
    optimiser = torch.optim.Adam(online.parameters(), lr=config.learning_rate)
    share_of, began = _validation(config), time.monotonic()
    best_share, stale, updates = -math.inf, 0, 0
    while stale < config.patience and updates < config.max_updates:
        if updates and updates % config.redraw == 0:
            player.draw()
        seen, mask, worth = player.lesson(online, target)
        gone = _gone(config, updates, time.monotonic() - began)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * gone))
        loss = _improve(online, optimiser, seen, mask, worth)
        move(target, online, config.target_rate)
        move(averaged, online, max(1 - config.average_decay, 1 / (updates + 1)))
        updates += 1
        over = gone >= 1 or updates == config.max_updates
        if updates % config.validate_every == 0 or over:
            share = share_of(averaged)
            progress(Progress(updates, time.monotonic() - began, loss, share))
            stale = 0 if share > best_share else stale + 1
            if share > best_share:
                best_share, best = share, copy.deepcopy(averaged)
        if over:
            break
    return TrainedNetwork(best, config, updates, time.monotonic() - began, best_share)


def new_network(seed: int, hidden: tuple[int, ...], device: torch.device) -> QNetwork:
    """Return a network with weights by the seed; the caller's random numbers stay as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return QNetwork(len(FEATURES), hidden).to(device)


def descend(network: QNetwork, optimiser: torch.optim.Adam, loss: Tensor) -> None:
    """Take a step down a loss of the network, along its gradient cut to a length of 1."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()


@torch.no_grad()
def move(to: QNetwork, towards: QNetwork, share: float) -> None:
    """Move the weights of a network a share of the way towards those of another."""
    for mine, other in zip(to.parameters(), towards.parameters(), strict=True):
        mine.lerp_(other, share)


def _gone(config: DqnConfig, updates: int, seconds: float) -> float:
    """Return the share of the training that is over, by updates or by time."""
    gone = updates / config.max_updates
    return min(max(gone, seconds / config.max_seconds if config.max_seconds else 0.0), 1.0)


def _improve(online: QNetwork, optimiser: torch.optim.Adam, seen: Tensor, mask: Tensor, worth: Tensor) -> float:
    """Take a step down the Huber loss over the admitted actions; return the loss before it."""
    loss = torch.nn.functional.smooth_l1_loss(online(seen)[mask], worth[mask])
    descend(online, optimiser, loss)
    return float(loss.detach())


def _validation(config: DqnConfig) -> Callable[[QNetwork], float]:
    """Return a function that says what mean share of the exact optimum a network earns on problems of its own."""
    problem = draw_problems(VALIDATION, np.random.default_rng([config.seed, 1]), config.ranges)
    optimum = solve_steps(problem).start

    def share(network: QNetwork) -> float:
        value = evaluate_policy(problem, greedy_policy(network, problem)).start
        return float(np.nanmean(share_of_optimum(problem, value, optimum)))

    return share
