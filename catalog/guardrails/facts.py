"""What the limits are measured against."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from .arrays import MISSING, Ints, int_column


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFacts:
    """Hold the facts about many SKUs that the limits are measured against, one row a SKU.

    Args:
        cost_units: (sku,) int64, hundredths of a tick; `MISSING`, zero or less: the SKU is not priced.
        current_ticks: (sku,) int64, the price in force; `MISSING`, zero or less: maximum change and low stock do
            not apply.
        stock: (sku,) int64, units; `MISSING`: the low-stock rule does not apply.
        competitor_ticks: (sku,) int64, the competitor reference price; `MISSING`, zero or less: no corridor.
        day_start_ticks: (sku,) int64, the price that was in force 24 hours ago; `MISSING`, zero or less: maximum
            change per day does not apply. None for all `MISSING`.
        changes_today: (sku,) int64, changes of the price within the last 24 hours; `MISSING`: changes per day does
            not apply. None for all `MISSING`.
    """

    cost_units: Ints
    current_ticks: Ints
    stock: Ints
    competitor_ticks: Ints
    day_start_ticks: Ints = None  # type: ignore[assignment]  # __post_init__ fills it
    changes_today: Ints = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name in ("day_start_ticks", "changes_today"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.full(len(self), MISSING, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.cost_units)

    def take(self, rows: Ints | slice) -> Self:
        """Return some of the rows: an index array or a slice."""
        return type(self)(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    @classmethod
    def single(
        cls,
        *,
        cost_units: int | None,
        current_ticks: int | None,
        stock: int | None = None,
        competitor_ticks: int | None = None,
        day_start_ticks: int | None = None,
        changes_today: int | None = None,
    ) -> Self:
        """Return the facts about one SKU as a batch of one row; None for what is not known."""
        return cls(
            cost_units=int_column([cost_units]),
            current_ticks=int_column([current_ticks]),
            stock=int_column([stock]),
            competitor_ticks=int_column([competitor_ticks]),
            day_start_ticks=int_column([day_start_ticks]),
            changes_today=int_column([changes_today]),
        )
