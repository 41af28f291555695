"""An encoder of patches of history by long short-term memory (Hochreiter and Schmidhuber 1997)."""

import torch
from torch import Tensor, nn


class LSTMEncoder(nn.Module):
    """Map history (series, step, channel) to a context (series, hidden): what is remembered at the end."""

    def __init__(self, channels: int, patch: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.patch = patch
        self.enter = nn.Linear(channels * patch, hidden)
        self.memory = nn.LSTM(hidden, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, history: Tensor) -> Tensor:
        tokens = self.enter(history.reshape(len(history), -1, self.patch * history.shape[2]))
        return torch.as_tensor(self.norm(self.memory(tokens)[0][:, -1]))
