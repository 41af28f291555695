"""Quantiles that cannot cross."""

import torch
from torch import Tensor, nn


class QuantileHead(nn.Module):
    """Map features (…, width) to quantiles (…, level): the lowest, and steps of softplus upwards."""

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.line = nn.Linear(width, levels)

    def forward(self, features: Tensor) -> Tensor:
        raw = self.line(features)
        return torch.cumsum(torch.cat((raw[..., :1], nn.functional.softplus(raw[..., 1:] - 1)), -1), -1)


def censored_pinball(quantiles: Tensor, demand: Tensor, censored: Tensor, levels: Tensor) -> Tensor:
    """Return the pinball loss, (…, level); of a censored step, whose demand is at least what sold, only from below.

    A quantile above the sales of a step that sold out contradicts nothing (Powell 1986, censored quantiles).

    Args:
        quantiles: (…, level).
        demand: (…,), what sold.
        censored: (…,) bool.
        levels: (level,).
    """
    short = demand[..., None] - quantiles
    above = torch.where(censored[..., None], 0.0, 1 - levels)
    return torch.where(short >= 0, levels * short, -above * short)
