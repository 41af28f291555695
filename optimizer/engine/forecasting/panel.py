"""Demand of many series at equal steps, with what is known of the steps ahead."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class SeriesPanel:
    """Hold series side by side: step t of each is the same day or week.

    ``time`` steps are history; columns after them are the future that is known: as many as shall be forecast.

    Args:
        step_days: 1 or 7, how long a step is.
        units: (series, time) float, units sold, >= 0.
        first: (series,) int, the first step at which a series was on sale; before it nothing is known of it.
        price: (series, time + horizon) float, money per unit, > 0; in the future the price to forecast for.
        promotion: (series, time + horizon) float, share of the step on promotion, 0 to 1.
        sold_out: (series, time) bool, steps whose demand was at least the units sold.
        calendar: (time + horizon, k) float, what is known of each step: weekday, holiday, closed day, season.
        category: (series,) int, >= 0.
        elasticity: (series,) float, signed, <= 0; -1.5 where nothing is known.

    Raises:
        ValueError: shapes or values out of their domain; the message names the field and what to give.
    """

    step_days: int
    units: Floats
    first: Ints
    price: Floats
    promotion: Floats
    sold_out: NDArray[np.bool_]
    calendar: Floats
    category: Ints
    elasticity: Floats

    def __post_init__(self) -> None:
        if self.step_days not in (1, 7):
            raise ValueError(f"step_days: got {self.step_days}; give 1 for days or 7 for weeks")
        if self.units.ndim != 2 or not self.units.size:
            raise ValueError(f"units: got shape {self.units.shape}; give (series, time), at least one of each")
        self._check_shapes()
        self._check_values()

    def _check_shapes(self) -> None:
        series, time = self.units.shape
        ahead = self.price.shape[1] if self.price.ndim == 2 else 0
        if ahead < time:
            raise ValueError(f"price: got shape {self.price.shape}; give (series, time + horizon), time is {time}")
        shapes = {
            "first": (series,),
            "price": (series, ahead),
            "promotion": (series, ahead),
            "sold_out": (series, time),
            "category": (series,),
            "elasticity": (series,),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name}: got shape {getattr(self, name).shape}; give {shape}")
        if self.calendar.ndim != 2 or len(self.calendar) != ahead:
            raise ValueError(f"calendar: got shape {self.calendar.shape}; give a row for each of {ahead} steps")

    def _check_values(self) -> None:
        for name in ("units", "price", "promotion", "calendar", "elasticity"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name}: holds numbers that are not finite; fill or drop them")
        for name in ("first", "category"):
            if not np.issubdtype(getattr(self, name).dtype, np.integer) or (getattr(self, name) < 0).any():
                raise ValueError(f"{name}: give whole numbers of 0 or more")
        if self.sold_out.dtype != np.bool_:
            raise ValueError(f"sold_out: got {self.sold_out.dtype}; give bool")
        if (self.units < 0).any():
            raise ValueError("units: holds numbers below 0; net returns out first")
        if (self.price <= 0).any():
            raise ValueError("price: holds numbers of 0 or less; give the price in force")
        if ((self.promotion < 0) | (self.promotion > 1)).any():
            raise ValueError("promotion: give shares from 0 to 1")
        if (self.elasticity > 0).any():
            raise ValueError("elasticity: holds numbers above 0; give them signed: demand falls with price")

    def __len__(self) -> int:
        return len(self.units)

    @property
    def time(self) -> int:
        """Return the number of steps of history."""
        return int(self.units.shape[1])

    @property
    def horizon(self) -> int:
        """Return the number of steps ahead of which price and calendar are known."""
        return int(self.price.shape[1]) - self.time

    def until(self, origin: int, horizon: int) -> "SeriesPanel":
        """Return what was known at the start of step ``origin``, and so many known steps from there."""
        end = origin + horizon
        if not 0 < origin <= self.time or end > self.price.shape[1]:
            raise ValueError(f"origin: got {origin} with horizon {horizon}; the panel ends at {self.price.shape[1]}")
        return replace(
            self,
            units=self.units[:, :origin],
            sold_out=self.sold_out[:, :origin],
            price=self.price[:, :end],
            promotion=self.promotion[:, :end],
            calendar=self.calendar[:end],
        )

    def rows(self, chosen: Ints) -> "SeriesPanel":
        """Return the chosen series."""
        names = ("units", "first", "price", "promotion", "sold_out", "category", "elasticity")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})
