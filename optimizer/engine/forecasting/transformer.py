"""An encoder of patches of history by attention (Nie et al. 2023, patches; Vaswani et al. 2017, attention)."""

import torch
from torch import Tensor, nn


class TransformerEncoder(nn.Module):
    """Map history (series, step, channel) to a context (series, hidden): the last patch, having seen all others."""

    def __init__(self, channels: int, history: int, patch: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.patch = patch
        self.enter = nn.Linear(channels * patch, hidden)
        self.place = nn.Parameter(torch.zeros(history // patch, hidden))
        self.layers = nn.ModuleList(_Layer(hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)

    def forward(self, history: Tensor) -> Tensor:
        tokens = self.enter(history.reshape(len(history), -1, self.patch * history.shape[2])) + self.place
        for layer in self.layers[:-1]:
            tokens = layer(tokens, tokens)
        last = self.layers[-1](tokens[:, -1:], tokens)  # of the others nothing more is read
        return torch.as_tensor(self.norm(last[:, 0]))


class _Layer(nn.Module):
    """Attention, then two dense layers, each added to what came in, normalised before."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = max(1, hidden // 64)
        self.norms = nn.ModuleList((nn.LayerNorm(hidden), nn.LayerNorm(hidden)))
        self.ask, self.answer = nn.Linear(hidden, hidden), nn.Linear(hidden, 2 * hidden)
        self.join = nn.Linear(hidden, hidden)
        self.dense = nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden))
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, among: Tensor) -> Tensor:
        """Return ``tokens`` after they looked at those ``among`` which they are."""
        series, count, hidden = tokens.shape
        near = self.norms[0](among)
        asked = self.ask(near[:, -count:]).reshape(series, count, self.heads, -1).transpose(1, 2)
        two = self.answer(near).reshape(series, among.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(asked, two[0], two[1])
        tokens = tokens + self.drop(self.join(seen.transpose(1, 2).reshape(series, count, hidden)))
        return torch.as_tensor(tokens + self.drop(self.dense(self.norms[1](tokens))))
