"""What a forecaster is made of."""

from dataclasses import dataclass
from typing import Final

import numpy as np

LEVELS: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
NETWORKS: Final = ("transformer", "lstm")


@dataclass(frozen=True, kw_only=True)
class ForecasterConfig:
    """Say how a forecaster is built and trained.

    Args:
        network: `transformer` or `lstm`.
        hidden: width of the encoder; a multiple of 8.
        layers: of the encoder.
        dropout: share of the encoder's units left out in training.
        history: steps that are read.
        patch: steps that are one token of the encoder; divides ``history``.
        horizon: steps that are forecast.
        levels: of the quantiles, ascending; with 0.1, 0.5, 0.8 and 0.9, which the intervals need.
        max_seconds: training of the network ends after it.
        max_steps: and after so many batches, so that it is the same on every machine that is fast enough.
        seed: of everything that is drawn.
        batch: series a batch.
        learning_rate: of AdamW, at its top.
        passes: over all training windows; a quarter of them where no LightGBM teaches.
        boosting: also train LightGBM, where it is installed.
        device: as `optimizer.engine.devices` names them.

    Raises:
        ValueError: a field out of its domain, by name.
    """

    network: str = "transformer"
    hidden: int = 256
    layers: int = 4
    dropout: float = 0.1
    history: int = 90
    patch: int = 45
    horizon: int = 28
    levels: tuple[float, ...] = LEVELS
    max_seconds: float = 300.0
    max_steps: int = 1000
    seed: int = 0
    batch: int = 256
    learning_rate: float = 1e-3
    passes: float = 8.0
    boosting: bool = True
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f"network: got {self.network!r}; give one of {', '.join(NETWORKS)}")
        if self.hidden < 8 or self.hidden % 8:
            raise ValueError(f"hidden: got {self.hidden}; give a multiple of 8")
        for name in ("layers", "patch", "horizon", "batch", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}; give 1 or more")
        if self.history < self.patch or self.history % self.patch:
            raise ValueError(f"history: got {self.history}; give a multiple of patch, which is {self.patch}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: got {self.dropout}; give 0 or more, below 1")
        for name in ("max_seconds", "learning_rate", "passes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: got {getattr(self, name)}; give more than 0")
        levels = np.array(self.levels)
        if (np.diff(levels) <= 0).any() or levels[0] <= 0 or levels[-1] >= 1 or not {0.1, 0.5, 0.8, 0.9} <= {*levels}:
            raise ValueError("levels: give them ascending, between 0 and 1, with 0.1, 0.5, 0.8 and 0.9 among them")


def weekly_config(**fields: object) -> ForecasterConfig:
    """Return the usual configuration for weeks: 12 weeks of history, 4 ahead."""
    return ForecasterConfig(**({"history": 12, "patch": 6, "horizon": 4} | fields))  # type: ignore[arg-type]
