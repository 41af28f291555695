"""The admissible ticks of many SKUs, and steps between them in constant time."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from catalog.guardrails import BandBatch, EndingTable, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Hold the prices that each SKU may take: a band of ticks and the price endings inside it.

    Args:
        lower, upper: (sku,) int64 ticks, the band, both ends included.
        first, last: (sku,) int64 ticks, the lowest and the highest admissible price.
        lower_rule, upper_rule: (sku,) int64 codes of `catalog.guardrails.Rule`.
        ending_set: (sku,) int64 rows of `up` and `down`; 0 where any ending may be used.
        up, down: (set, modulus) int64 distances to the next allowed ending.
    """

    lower: Tensor
    upper: Tensor
    first: Tensor
    last: Tensor
    lower_rule: Tensor
    upper_rule: Tensor
    ending_set: Tensor
    up: Tensor
    down: Tensor

    @classmethod
    def build(cls, band: BandBatch, ending_set: Ints, table: EndingTable, device: torch.device) -> Self:
        """Return the grid of some priced SKUs; where no ending fits the band, every tick of it is admissible."""
        fitting = table.sets_that_fit(band.lower, band.upper, ending_set)
        arrays = {
            "lower": band.lower,
            "upper": band.upper,
            "first": table.at_or_above(band.lower, fitting),
            "last": table.at_or_below(band.upper, fitting),
            "lower_rule": band.lower_rule.astype("int64"),
            "upper_rule": band.upper_rule.astype("int64"),
            "ending_set": fitting,
            "up": table.up,
            "down": table.down,
        }
        return cls(**{name: torch.from_numpy(array).to(device) for name, array in arrays.items()})

    def rows(self, rows: Tensor | slice) -> Self:
        """Return the grid of some of the SKUs."""
        shared = {"up": self.up, "down": self.down}
        return type(self)(
            **{name: getattr(self, name)[rows] for name in type(self).__slots__ if name not in shared}, **shared
        )

    def has_ending(self, ticks: Tensor, rows: Tensor) -> Tensor:
        """Return which (k,) ticks end as the SKU of their row, (k,) int64, may."""
        modulus = self.down.shape[1]
        return self.down.flatten()[self.ending_set[rows] * modulus + ticks % modulus] == 0

    def at_or_below(self, ticks: Tensor) -> Tensor:
        """Return the highest admissible price at or below (…, sku) ticks, and `first` where there is none."""
        ticks = torch.minimum(ticks, self.last)
        distance = self.down.flatten()[self.ending_set * self.down.shape[1] + ticks % self.down.shape[1]]
        return torch.maximum(ticks - distance, self.first)

    def at_or_above(self, ticks: Tensor) -> Tensor:
        """Return the lowest admissible price at or above (…, sku) ticks, and `last` where there is none."""
        ticks = torch.maximum(ticks, self.first)
        distance = self.up.flatten()[self.ending_set * self.up.shape[1] + ticks % self.up.shape[1]]
        return torch.minimum(ticks + distance, self.last)

    def around(self, price: Tensor) -> tuple[Tensor, Tensor]:
        """Return the admissible neighbours, below and above, of (k, sku) real prices; `first` where not finite."""
        inside = (price >= self.lower) & (price <= self.upper)
        clipped = torch.where(price > self.upper, self.upper, self.lower)
        ticks = torch.where(inside, torch.floor(torch.where(inside, price, 0.0)).long(), clipped)
        return self.at_or_below(ticks), self.at_or_above(ticks + 1)
