"""Training of a network, with early stopping."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .config import ForecasterConfig
from .examples import Examples
from .network import ForecastNetwork
from .quantile_head import censored_pinball

Progress = Callable[[str, float], None]
"""Is told which work is done and which share of it."""
LOOK_EVERY = 50
WARM_UP = 50
WEIGHT_DECAY = 0.01


class _Pool:
    """All training examples in one place, on the device."""

    def __init__(self, examples: list[Examples], device: torch.device) -> None:
        def joined(arrays: list[NDArray[Any]], kind: type[np.generic]) -> torch.Tensor:
            return torch.from_numpy(np.concatenate(arrays).astype(kind, copy=False)).to(device)

        kept = [example.valid.any(1) for example in examples]
        pairs = list(zip(examples, kept, strict=True))
        self.history = joined([one.read.history[rows] for one, rows in pairs], np.float32)
        self.ahead = joined([one.read.ahead[rows] for one, rows in pairs], np.float32)
        self.target = joined([(one.demand / one.read.scale[:, None])[rows] for one, rows in pairs], np.float32)
        self.censored = joined([one.censored[rows] for one, rows in pairs], np.bool_)
        self.scale = joined([one.read.scale[rows] for one, rows in pairs], np.float64)

    def __len__(self) -> int:
        return len(self.scale)


def _look(network: ForecastNetwork, held: _Pool, levels: torch.Tensor) -> float:
    """Return the loss in units, as the weighted quantile loss counts it, over that demand."""
    network.eval()
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(held), 1024):
            part = slice(start, start + 1024)
            found = network(held.history[part], held.ahead[part]).clamp_min(0)
            loss = censored_pinball(found, held.target[part], held.censored[part], levels)
            total += float((loss.mean((1, 2)) * held.scale[part]).sum())
    return total / max(float((held.target.mean(1) * held.scale).sum()), 1e-9)


def train_network(
    training: list[Examples],
    validation: list[Examples],
    config: ForecasterConfig,
    device: torch.device,
    progress: Progress,
) -> ForecastNetwork:
    """Return a network trained on ``training``, as it was when it did best on ``validation``.

    Half of a batch is drawn evenly, half in proportion to how much a series sells, which is how the loss counts.
    """
    torch.manual_seed(config.seed)
    draw = np.random.default_rng(config.seed)
    pool, held = _Pool(training, device), _Pool(validation, device)
    network = ForecastNetwork(config, pool.history.shape[2], pool.ahead.shape[2]).to(device)
    flat = pool.ahead.flatten(0, 1)
    network.centre, network.spread = flat.mean(0), flat.std(0).clamp_min(1e-2)
    levels = torch.tensor(config.levels, dtype=torch.float32, device=device)
    descent = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=WEIGHT_DECAY)
    weights = pool.scale.cpu().numpy()
    order = np.cumsum(0.5 / len(pool) + 0.5 * weights / weights.sum())
    best, best_loss, since = _copied(network), np.inf, 0
    began = time.monotonic()
    for step in range(config.max_steps):
        ends = (step + 1) / config.max_steps
        for group in descent.param_groups:
            group["lr"] = config.learning_rate * min((step + 1) / WARM_UP, 0.02 + 0.5 * (1 + np.cos(np.pi * ends)))
        rows = torch.from_numpy(np.minimum(np.searchsorted(order, draw.random(config.batch)), len(pool) - 1)).to(device)
        network.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            found = network(pool.history[rows], pool.ahead[rows])
        loss = censored_pinball(found.float(), pool.target[rows], pool.censored[rows], levels).mean()
        descent.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        descent.step()
        late = time.monotonic() - began > config.max_seconds
        if (step + 1) % LOOK_EVERY == 0 or late or step + 1 == config.max_steps:
            progress(config.network, ends)
            now = _look(network, held, levels)
            best, best_loss, since = (_copied(network), now, 0) if now < best_loss else (best, best_loss, since + 1)
            if late or since >= config.patience:
                break
    network.load_state_dict(best)
    return network


def _copied(network: ForecastNetwork) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
