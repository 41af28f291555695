"""The best entry of any range of each row, in constant time after one pass: a sparse table."""

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

NOWHERE: Final = 2**60
"""The shortfall of an entry that may not be chosen: above every real one, and far from an overflow."""


@dataclass(frozen=True, slots=True)
class RangeBest:
    """Answer, for rows of (shortfall, score) pairs, which entry of a range is best: least shortfall, then most score.

    Level j of the table holds the best of every 2^j neighbours; a range is two of those that overlap.

    Args:
        shortfall: (level, row, k) int64.
        score: (level, row, k) float64.
        where: (level, row, k) int64 positions.

    Source: Bender and Farach-Colton (2000), section 3.
    """

    shortfall: Tensor
    score: Tensor
    where: Tensor

    @classmethod
    def build(cls, shortfall: Tensor, score: Tensor) -> Self:
        """Return the table of (row, k) pairs; of equal ones the first counts as better."""
        levels: list[Pair] = [(shortfall, score, torch.arange(score.shape[1], device=score.device).expand_as(score))]
        width = 1
        while 2 * width <= score.shape[1]:
            left = tuple(part[:, : score.shape[1] - 2 * width + 1] for part in levels[-1])
            right = tuple(part[:, width : score.shape[1] - width + 1] for part in levels[-1])
            levels.append(_better(left, right))
            width *= 2
        return cls(*(torch.stack([_widened(level[part], score.shape[1]) for level in levels]) for part in range(3)))

    def best(self, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return shortfall, score and position of the best entry in [first, last), (row, q) int64; `NOWHERE` if empty.

        Positions are within 0 and k.
        """
        size = torch.clamp(last - first, min=1)
        level = torch.log2(size.double() + 0.5).long()  # exact: a half above a whole number below 2^52
        row = torch.arange(size.shape[0], device=size.device)[:, None].expand_as(size)
        end = self.score.shape[2] - 1
        start, stop = torch.clamp(first, max=end), torch.clamp(last - (1 << level), min=0, max=end)
        table = (self.shortfall, self.score, self.where)
        shortfall, score, where = _better(
            tuple(part[level, row, start] for part in table), tuple(part[level, row, stop] for part in table)
        )
        empty = last <= first
        return torch.where(empty, NOWHERE, shortfall), torch.where(empty, -torch.inf, score), where


Pair = tuple[Tensor, ...]


def _better(one: Pair, other: Pair) -> Pair:
    """Return the better of two entries, place by place; the first where they are equal."""
    first = (one[0] < other[0]) | ((one[0] == other[0]) & (one[1] >= other[1]))
    return tuple(torch.where(first, left, right) for left, right in zip(one, other, strict=True))


def _widened(part: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(part, (0, width - part.shape[1]))
