"""Training of a network, on demand and on what a teacher says of it."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .config import ForecasterConfig
from .examples import Examples
from .network import ForecastNetwork
from .panel import Floats
from .quantile_head import censored_pinball

Progress = Callable[[str, float], None]
"""Is told which work is done and which share of it."""
TELL_EVERY = 50
WARM_UP = 50
AVERAGED = 0.99
"""Decay of the mean of weights (Polyak and Juditsky 1992)."""
TAUGHT = 0.8
"""Share of the distance to what is taught in the loss."""
UNTAUGHT = 0.25
"""Of ``passes`` where nothing is taught: demand alone is learned by heart sooner than a teacher's quantiles."""
LEAST_STEPS = 200
WEIGHT_DECAY = 0.01


class _Pool:
    """All training examples in one place, on the device."""

    def __init__(self, examples: list[Examples], taught: list[Floats] | None, device: torch.device) -> None:
        def joined(arrays: list[NDArray[Any]], kind: type[np.generic]) -> torch.Tensor:
            return torch.from_numpy(np.concatenate(arrays).astype(kind, copy=False)).to(device)

        self.history = joined([one.read.history for one in examples], np.float32)
        self.ahead = joined([one.read.ahead for one in examples], np.float32)
        self.target = joined([one.demand / one.read.scale[:, None] for one in examples], np.float32)
        self.censored = joined([one.censored for one in examples], np.bool_)
        self.taught = None
        if taught:
            scales = (one.read.scale[:, None, None] for one in examples)
            self.taught = joined([units / by for units, by in zip(taught, scales, strict=True)], np.float32)

    def __len__(self) -> int:
        return len(self.target)

    def loss(self, found: torch.Tensor, rows: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        """Return the loss of quantiles of ``rows``, (row, horizon, level) over scale."""
        own = censored_pinball(found, self.target[rows], self.censored[rows], levels).mean()
        if self.taught is None:
            return own
        return (1 - TAUGHT) * own + TAUGHT * 0.5 * (found - self.taught[rows]).abs().mean()


def train_network(
    training: list[Examples],
    taught: list[Floats] | None,
    config: ForecasterConfig,
    device: torch.device,
    progress: Progress,
) -> ForecastNetwork:
    """Return a network trained on ``training``: the mean of its weights over the last steps.

    Where a teacher's quantiles are ``taught``, an array of units for each of ``training``, the loss is a mean of the
    pinball loss of demand and the distance to them (Hinton, Vinyals and Dean 2015, distillation).
    """
    torch.manual_seed(config.seed)
    draw = np.random.default_rng(config.seed)
    pool = _Pool(training, taught, device)
    network = ForecastNetwork(config, pool.history.shape[2], pool.ahead.shape[2]).to(device)
    flat = pool.ahead.flatten(0, 1)
    network.centre, network.spread = flat.mean(0), flat.std(0).clamp_min(1e-2)
    levels = torch.tensor(config.levels, dtype=torch.float32, device=device)
    descent = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=WEIGHT_DECAY)
    mean = torch.optim.swa_utils.AveragedModel(network, avg_fn=_averaged)
    network.train()
    step_of = _compiled(network, pool, config.batch)
    passes = config.passes if taught else config.passes * UNTAUGHT
    steps = min(config.max_steps, max(LEAST_STEPS, round(passes * len(pool) / config.batch)))
    began = time.monotonic()
    for step in range(steps):
        done = max((step + 1) / steps, (time.monotonic() - began) / config.max_seconds)
        for group in descent.param_groups:
            group["lr"] = config.learning_rate * min(
                (step + 1) / WARM_UP, 0.02 + 0.5 * (1 + np.cos(np.pi * min(done, 1)))
            )
        rows = torch.from_numpy(draw.integers(len(pool), size=config.batch)).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            found = step_of(pool.history[rows], pool.ahead[rows])
        loss = pool.loss(found.float(), rows, levels)
        descent.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        descent.step()
        mean.update_parameters(network)
        if (step + 1) % TELL_EVERY == 0 or done >= 1:
            progress(config.network, min(done, 1.0))
        if done >= 1:
            break
    network.load_state_dict(mean.module.state_dict())
    return network.eval()


def _averaged(mean: torch.Tensor, now: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
    """Return a running mean that forgets the first steps fast: a short training has few others."""
    return torch.lerp(mean, now, 1 - min(AVERAGED, float(count + 1) / float(count + 10)))


def _compiled(
    network: ForecastNetwork, pool: _Pool, batch: int
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the network compiled where it is on a GPU and a compiler is there, else as it is."""
    if pool.history.device.type != "cuda":
        return network
    compiled: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = torch.compile(network)
    rows = torch.zeros(batch, dtype=torch.int64, device=pool.history.device)
    try:
        with torch.autocast("cuda", torch.bfloat16):
            compiled(pool.history[rows], pool.ahead[rows])  # compiles now, and raises where it cannot
    except RuntimeError:
        return network
    return compiled
