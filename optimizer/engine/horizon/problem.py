"""What prices over a horizon are planned from."""

from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MAX_PERIODS: Final = 400

MAX_STOCK: Final = 1_000
"""Stock is counted in single units: a problem of 26 periods and 24 prices takes 60 ms up here."""

MAX_PRICE_RATIO: Final = 100.0
"""Between the highest and the lowest price: a ladder has 93 rungs at most."""

MAX_MEAN: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonProblem:
    """Hold the problems of many products, one row each, over periods t = 0 … T − 1.

    Demand of a period at price p is Poisson with mean
    demand · season_t · (p/reference)^e · (competitor_t/reference)^x. Sales are the demand that the stock can meet.

    Args:
        periods: (problem,) int64, T, 1 to 400.
        stock: (problem,) int64 units at the beginning, 1 to 1,000.
        unit_cost: (problem,) float64 money, > 0.
        salvage: (problem,) float64 money that a unit left at the end brings, 0 to `unit_cost`.
        shortage_cost: (problem,) float64 money, what a unit of demand that is not met costs, ≥ 0.
        start_price: (problem,) float64 money, the price in force before the first period.
        min_price, max_price: (problem,) float64 money, the guardrails: unit_cost ≤ min ≤ start ≤ max.
        demand: (problem,) float64 expected units a period at `reference`, in a season of 1, > 0.
        reference: (problem,) float64 money, > 0.
        elasticity: (problem,) float64, e, signed.
        season: (problem, period) float64 factor on demand, > 0; as wide as the longest horizon, 1 after a row's own.
        competitor: (problem, period) float64 money, the known path of the competitor's price, > 0.
        cross_elasticity: (problem,) float64, x; 0 where the competitor does not matter, or there is none.

    Raises:
        ValueError: a value is outside its domain; the message names the field.
    """

    periods: Ints
    stock: Ints
    unit_cost: Floats
    salvage: Floats
    shortage_cost: Floats
    start_price: Floats
    min_price: Floats
    max_price: Floats
    demand: Floats
    reference: Floats
    elasticity: Floats
    season: Floats
    competitor: Floats
    cross_elasticity: Floats

    def __post_init__(self) -> None:
        for field in fields(self):
            if len(getattr(self, field.name)) != len(self.stock):
                raise ValueError(f"{field.name}: {len(getattr(self, field.name))} rows for {len(self.stock)} problems")
        _require("periods", (self.periods >= 1) & (self.periods <= MAX_PERIODS), f"from 1 to {MAX_PERIODS}")
        _require("stock", (self.stock >= 1) & (self.stock <= MAX_STOCK), f"from 1 to {MAX_STOCK}")
        for name in ("unit_cost", "max_price", "demand", "reference", "season", "competitor"):
            _require(name, np.isfinite(getattr(self, name)) & (getattr(self, name) > 0), "finite and above 0")
        for name in ("elasticity", "cross_elasticity"):
            _require(name, np.isfinite(getattr(self, name)), "finite")
        _require("shortage_cost", np.isfinite(self.shortage_cost) & (self.shortage_cost >= 0), "finite, 0 or more")
        _require("salvage", (self.salvage >= 0) & (self.salvage <= self.unit_cost), "from 0 to the unit cost")
        _require("min_price", self.min_price >= self.unit_cost, "at or above the unit cost, the loss floor")
        _require("max_price", self.max_price <= MAX_PRICE_RATIO * self.min_price, "100 times `min_price` at most")
        within = (self.start_price >= self.min_price) & (self.start_price <= self.max_price)
        _require("start_price", within, "from `min_price` to `max_price`")
        for name in ("season", "competitor"):
            if getattr(self, name).shape != (len(self), self.longest()):
                raise ValueError(f"{name}: {getattr(self, name).shape}; give {(len(self), self.longest())}")
        response = np.maximum(self.response(self.min_price), self.response(self.max_price))
        most = self.level().max(axis=1) * response
        _require("demand", most <= MAX_MEAN, f"{MAX_MEAN:,.0f} a period at most, at any price")

    def __len__(self) -> int:
        return len(self.stock)

    def rows(self, rows: Ints | slice) -> Self:
        """Return some of the problems."""
        chosen = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        longest = int(chosen["periods"].max(initial=1))
        chosen["season"], chosen["competitor"] = chosen["season"][:, :longest], chosen["competitor"][:, :longest]
        return type(self)(**chosen)

    def longest(self) -> int:
        """Return the longest horizon: how wide arrays over periods are."""
        return int(self.periods.max(initial=1))

    def level(self) -> Floats:
        """Return (problem, period) expected demand at the reference price."""
        rival = (self.competitor / self.reference[:, None]) ** self.cross_elasticity[:, None]
        level: Floats = self.demand[:, None] * self.season * rival
        return level

    def response(self, price: Floats) -> Floats:
        """Return (price/reference)^e, the factor on demand of prices (problem, …)."""
        shape = (len(self),) + (1,) * (price.ndim - 1)
        response: Floats = (price / self.reference.reshape(shape)) ** self.elasticity.reshape(shape)
        return response


def _require(name: str, holds: Any, domain: str) -> None:
    if not np.all(holds):
        row = int(np.argwhere(~np.asarray(holds))[0][0])
        raise ValueError(f"{name}: row {row} is outside its domain; give values that are {domain}")
