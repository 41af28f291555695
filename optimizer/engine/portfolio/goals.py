"""What managers ask of all prices together, as couplings, and what it costs, in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .ladder import PriceLadder
from .portfolio import Coupling

Amount = Callable[[float], str]
"""Writes a change of the objective as people read it."""


@dataclass(frozen=True, slots=True)
class ShadowPrice:
    """Hold what a goal costs where it is.

    Args:
        goal: its name.
        group: which group's limit, or "" for all SKUs.
        one_more: what a step of the goal is, in words.
        costs: how much less the objective is for one such step stricter; 0 where the goal does not bind.
    """

    goal: str
    group: str
    one_more: str
    costs: float

    def sentence(self, amount: Amount, objective: str) -> str:
        """Return what a manager reads."""
        where = f" ({self.group})" if self.group else ""
        if self.costs == 0:
            return f"{self.goal}{where} costs nothing: it is kept anyway"
        return f"{self.goal}{where}: {self.one_more} costs {amount(self.costs)} of {objective}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """Hold what the multipliers make of a SKU's score: objective + revenue·R + profit·Π − change·[p ≠ p0] + price·p.

    Args:
        revenue, profit: per tick of expected revenue and profit.
        change: (sku,) float64, what a change of the price is charged.
        price: (sku,) float64, per tick of the price.
    """

    revenue: float
    profit: float
    change: Floats
    price: Floats

    @classmethod
    def none(cls, size: int) -> Self:
        """Return no charges, for ``size`` SKUs."""
        return cls(revenue=0.0, profit=0.0, change=np.zeros(size), price=np.zeros(size))

    def and_also(self, other: "Charges") -> "Charges":
        """Return the sum."""
        return Charges(
            revenue=self.revenue + other.revenue,
            profit=self.profit + other.profit,
            change=self.change + other.change,
            price=self.price + other.price,
        )


class Goal(Protocol):
    """One thing asked of all prices together.

    ``lets_stay``: whether a SKU may keep its price although a soft rule would move it.
    """

    lets_stay: ClassVar[bool]

    def couplings(self, ladder: PriceLadder) -> list[Coupling]:
        """Return it as limits."""

    def shadow_prices(self, ladder: PriceLadder, multipliers: Sequence[Floats]) -> list[ShadowPrice]:
        """Return what it costs, from the multipliers of its limits."""

    def charges(self, ladder: PriceLadder, multipliers: Sequence[Floats]) -> Charges:
        """Return what the multipliers of its limits make of each SKU's score."""

    def unmet(self, ladder: PriceLadder, least: float, group: int) -> str:
        """Say how far it can be met, from the least usage of its limit that can be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueFloor:
    """Ask for expected revenue of at least (1 + change) times that at today's prices."""

    change: float
    name: str = "revenue floor"
    lets_stay: ClassVar[bool] = False

    def couplings(self, ladder: PriceLadder) -> list[Coupling]:
        limit = np.array([-(1 + self.change) * ladder.revenue_before.sum()])
        return [Coupling(name=self.name, usage=-ladder.revenue, limit=limit)]

    def shadow_prices(self, ladder: PriceLadder, multipliers: Sequence[Floats]) -> list[ShadowPrice]:
        percent = 0.01 * float(ladder.revenue_before.sum())
        return [ShadowPrice(self.name, "", "one more % of revenue", float(multipliers[0][0]) * percent)]

    def charges(self, ladder: PriceLadder, multipliers: Sequence[Floats]) -> Charges:
        return replace(Charges.none(len(ladder)), revenue=float(multipliers[0][0]))

    def unmet(self, ladder: PriceLadder, least: float, group: int) -> str:
        best = -least / float(ladder.revenue_before.sum()) - 1
        return f"{self.name}: {self.change:+.1%} of today's expected revenue is asked for, {best:+.1%} is the most"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginRate:
    """Ask for expected profit of at least ``least`` times expected revenue."""

    least: float
    name: str = "margin rate"
    lets_stay: ClassVar[bool] = False

    def couplings(self, ladder: PriceLadder) -> list[Coupling]:
        return [Coupling(name=self.name, usage=self.least * ladder.revenue - ladder.profit, limit=np.zeros(1))]

    def shadow_prices(self, ladder: PriceLadder, multipliers: Sequence[Floats]) -> list[ShadowPrice]:
        point = 0.01 * float(ladder.revenue_before.sum())
        return [ShadowPrice(self.name, "", "one more point of margin", float(multipliers[0][0]) * point)]

    def charges(self, ladder: PriceLadder, multipliers: Sequence[Floats]) -> Charges:
        charge = float(multipliers[0][0])
        return replace(Charges.none(len(ladder)), revenue=-charge * self.least, profit=charge)

    def unmet(self, ladder: PriceLadder, least: float, group: int) -> str:
        short = least / float(ladder.revenue_before.sum())
        return f"{self.name}: {self.least:.1%} is asked for; profit is at best {short:.1%} of today's revenue short"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBudget:
    """Ask for price changes whose costs sum up to ``most`` at most.

    Args:
        most: in the unit of the costs.
        cost: (sku,) float64 ≥ 0 of changing each price, such as a new shelf label; None where each counts 1.
    """

    most: float
    cost: Floats | None = None
    name: str = "budget of price changes"
    lets_stay: ClassVar[bool] = True

    def couplings(self, ladder: PriceLadder) -> list[Coupling]:
        usage = np.where(ladder.ticks != ladder.current[:, None], self._costs(ladder)[:, None], 0.0)
        return [Coupling(name=self.name, usage=usage, limit=np.array([float(self.most)]))]

    def shadow_prices(self, ladder: PriceLadder, multipliers: Sequence[Floats]) -> list[ShadowPrice]:
        step = "one change less" if self.cost is None else "a budget smaller by one"
        return [ShadowPrice(self.name, "", step, float(multipliers[0][0]))]

    def charges(self, ladder: PriceLadder, multipliers: Sequence[Floats]) -> Charges:
        return replace(Charges.none(len(ladder)), change=float(multipliers[0][0]) * self._costs(ladder))

    def unmet(self, ladder: PriceLadder, least: float, group: int) -> str:
        return f"{self.name}: {self.most:,.6g} is asked for, {least:,.6g} is the least"

    def _costs(self, ladder: PriceLadder) -> Floats:
        return np.ones(len(ladder)) if self.cost is None else self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceIndex:
    """Ask that the average of price ÷ competitor's price of each group stays within a corridor.

    Args:
        group: (sku,) int64 codes from 0, or -1 for SKUs that do not count, such as all but key value items.
        names: of the groups.
        low, high: the corridor; None where that side is open.
        weight: (sku,) float64 ≥ 0 in the average; None where each counts 1.
    """

    group: Ints
    names: Sequence[str]
    low: float | None = None
    high: float | None = None
    weight: Floats | None = None
    name: str = "price index"
    lets_stay: ClassVar[bool] = False

    def couplings(self, ladder: PriceLadder) -> list[Coupling]:
        """Return an upper and a lower limit a group; a group without competitors' prices has none to keep."""
        codes, per_tick, there = self._per_tick(ladder)
        usage = per_tick[:, None] * ladder.ticks
        found = []
        if self.high is not None:
            limit = np.where(there, self.high, 1.0)
            found.append(Coupling(name=f"{self.name}, at most", usage=usage, limit=limit, group=codes))
        if self.low is not None:
            limit = np.where(there, -self.low, 0.0)
            found.append(Coupling(name=f"{self.name}, at least", usage=-usage, limit=limit, group=codes))
        return found

    def shadow_prices(self, ladder: PriceLadder, multipliers: Sequence[Floats]) -> list[ShadowPrice]:
        sides = (self.high, "one point lower"), (self.low, "one point higher")
        words = [step for limit, step in sides if limit is not None]
        return [
            ShadowPrice(self.name, self.names[group], step, 0.01 * float(own[group]))
            for step, own in zip(words, multipliers, strict=True)
            for group in range(len(self.names))
        ]

    def charges(self, ladder: PriceLadder, multipliers: Sequence[Floats]) -> Charges:
        codes, per_tick, _ = self._per_tick(ladder)
        signs = [sign for limit, sign in ((self.high, -1), (self.low, 1)) if limit is not None]
        push = sum(sign * own[codes] for sign, own in zip(signs, multipliers, strict=True))
        return replace(Charges.none(len(ladder)), price=push * per_tick)

    def unmet(self, ladder: PriceLadder, least: float, group: int) -> str:
        side = "at most" if least > 0 else "at least"
        asked = self.high if least > 0 else self.low
        return f"{self.name} ({self.names[group]}): {side} {asked} is asked for, {abs(least):.4f} is the nearest"

    def _per_tick(self, ladder: PriceLadder) -> tuple[Ints, Floats, NDArray[np.bool_]]:
        """Return (sku,) codes, by how much a tick moves the group's average, and which groups have an average."""
        counts = (self.group >= 0) & (ladder.competitor > 0)
        weight = np.where(counts, 1.0 if self.weight is None else self.weight, 0.0)
        codes = np.where(counts, self.group, 0)
        total = np.bincount(codes, weights=weight, minlength=len(self.names))
        there = total > 0
        share = weight / np.where(there, total, 1.0)[codes]
        return codes, share / np.where(counts, ladder.competitor, 1), there
