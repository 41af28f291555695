"""A network that forecasts quantiles: an encoder of history, and a decoder that knows each step ahead."""

import numpy as np
import torch
from torch import Tensor, nn

from .config import ForecasterConfig
from .lstm import LSTMEncoder
from .panel import Floats
from .quantile_head import QuantileHead
from .transformer import TransformerEncoder
from .windows import Windows

DECODER = 128
MOST_SPREADS = 5.0
"""From the mean, at which a feature is held: beyond it nothing was learned."""
CHUNK = 1024
"""Series at once: what a layer makes of them stays in the processor's cache."""


class ForecastNetwork(nn.Module):
    """Map history (series, step, channel) and what is ahead (series, horizon, feature) to (series, horizon, level)."""

    centre: Tensor
    spread: Tensor

    def __init__(self, config: ForecasterConfig, channels: int, ahead: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(ahead))
        self.register_buffer("spread", torch.ones(ahead))
        hidden, layers, dropout = config.hidden, config.layers, config.dropout
        self.encoder: nn.Module = (
            TransformerEncoder(channels, config.history, config.patch, hidden, layers, dropout)
            if config.network == "transformer"
            else LSTMEncoder(channels, config.patch, hidden, layers, dropout)
        )
        self.context = nn.Linear(hidden, DECODER)
        self.future = nn.Linear(ahead, DECODER)
        self.middle = _Middle(DECODER, dropout)
        self.norm = nn.LayerNorm(DECODER)
        self.head = QuantileHead(DECODER, len(config.levels))

    def forward(self, history: Tensor, ahead: Tensor) -> Tensor:
        scaled = ((ahead - self.centre) / self.spread).clamp(-MOST_SPREADS, MOST_SPREADS)
        joined = self.context(self.encoder(history))[:, None] + self.future(scaled)
        return torch.as_tensor(self.head(self.norm(self.middle(joined))))

    @torch.inference_mode()
    def quantiles(self, read: Windows, device: torch.device) -> Floats:
        """Return quantiles of demand in units, (series, horizon, level), 0 or more."""
        self.eval()
        parts = []
        for start in range(0, len(read.scale), CHUNK):
            history = torch.from_numpy(read.history[start : start + CHUNK]).to(device)
            ahead = torch.from_numpy(read.ahead[start : start + CHUNK]).to(device)
            parts.append(self(history, ahead).clamp_min_(0).float().cpu().numpy())
        return np.asarray(np.concatenate(parts) * read.scale[:, None, None].astype(np.float32))


class _Middle(nn.Module):
    """Two dense layers, added to what came in, normalised before."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
        )

    def forward(self, joined: Tensor) -> Tensor:
        return torch.as_tensor(joined + self.dense(joined))
