"""Sums and means over the rows of each group."""

import torch
from torch import Tensor


def group_sum(values: Tensor, group: Tensor, n_groups: int) -> Tensor:
    """Return the (group,) sums of (row,) values; 0 for groups without rows."""
    return torch.zeros(n_groups, dtype=values.dtype, device=values.device).index_add_(0, group, values)


def group_mean(values: Tensor, group: Tensor, n_groups: int, weight: Tensor | None = None) -> Tensor:
    """Return the (group,) weighted means of (row,) values; 0 for groups without rows."""
    weights = torch.ones_like(values) if weight is None else weight
    total = group_sum(weights, group, n_groups)
    return group_sum(values * weights, group, n_groups) / torch.where(total > 0, total, 1.0)
