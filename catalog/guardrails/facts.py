"""What the limits are measured against."""

from dataclasses import dataclass
from typing import Self

from .arrays import Ints, int_column


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFacts:
    """Hold the facts about many SKUs that the limits are measured against, one row a SKU.

    Args:
        cost_units: (sku,) int64, hundredths of a tick; `MISSING`, zero or less: the SKU is not priced.
        current_ticks: (sku,) int64, the price in force; `MISSING`, zero or less: maximum change and low stock do
            not apply.
        stock: (sku,) int64, units; `MISSING`: the low-stock rule does not apply.
        competitor_ticks: (sku,) int64, the competitor reference price; `MISSING`, zero or less: no corridor.
    """

    cost_units: Ints
    current_ticks: Ints
    stock: Ints
    competitor_ticks: Ints

    def __len__(self) -> int:
        return len(self.cost_units)

    @classmethod
    def single(
        cls,
        *,
        cost_units: int | None,
        current_ticks: int | None,
        stock: int | None = None,
        competitor_ticks: int | None = None,
    ) -> Self:
        """Return the facts about one SKU as a batch of one row; None for what is not known."""
        return cls(
            cost_units=int_column([cost_units]),
            current_ticks=int_column([current_ticks]),
            stock=int_column([stock]),
            competitor_ticks=int_column([competitor_ticks]),
        )
