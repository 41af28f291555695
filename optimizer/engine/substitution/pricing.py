"""The joint best prices of substitutes, and what it costs to treat each alone."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from catalog.guardrails import Ints

from ..devices import ComputeDevice, resolve_device
from ..groups import group_sum
from ..pricing_arrays import Floats
from .demand import NestedLogit

MOST_ROUNDS: Final = 60
"""Dinkelbach's rounds; 4 to 8 are needed, each squares the error."""

GRID: Final = 33
ZOOMS: Final = 6
"""A nest's mark-up is searched on a grid that narrows six times: to 10⁻⁷ of its range."""

TOLERANCE: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class SubstitutePrices:
    """Hold the joint prices.

    Args:
        ticks: (sku,) int64.
        units: (sku,) float64 expected at them.
        profit: (category,) float64 ticks, expected.
        profit_alone: (category,) float64 ticks, expected where every product took the price that is best for itself
            while all others stay as they are today.
        profit_today: (category,) float64 ticks.
        rounds: until the joint prices no longer changed.
    """

    ticks: Ints
    units: Floats
    profit: Floats
    profit_alone: Floats
    profit_today: Floats
    rounds: int


def price_substitutes(
    demand: NestedLogit,
    *,
    options: Ints,
    cost: Floats,
    today: Ints,
    objective: str = "profit",
    device: str | ComputeDevice = "auto",
) -> SubstitutePrices:
    """Choose one option a product so that each category earns most, products taking sales from each other.

    The expected profit of a category, Σ Vg^γg·Rg / (1 + Σ Vg^γg) with Rg the mean margin in nest g, is a ratio: its
    maximum is the θ at which max Σ Vg^γg·(Rg − θ) = θ. Dinkelbach's iteration θ ← profit of the maximiser rises to it.
    For a given θ nests are apart, and in a nest the best options are those of highest weight·(p − c − φ) for one number
    φ, which is θ where γ = 1. So the multinomial logit is solved exactly over the options, whatever they are; with
    γ < 1 φ is searched on a grid that narrows.

    Args:
        demand: (sku,) products.
        options: (sku, k) int64 ticks, admissible prices; repeat one where a product has fewer.
        cost: (sku,) float64 ticks, unit costs, ≥ 0.
        today: (sku,) int64 ticks, the prices in force.
        objective: `profit`, or `revenue` (as if the costs were 0).
        device: as for `resolve_device`; computed in float64.

    Raises:
        ValueError: shapes do not match, or there is no such objective or device.

    Source: Dinkelbach (1967); Gallego and Wang (2014), "Multiproduct price optimization and competition under the
    nested logit model", Operations Research 62(2).
    """
    if options.ndim != 2 or len(options) != len(demand) or options.shape[1] == 0:
        raise ValueError(f"options: got shape {options.shape}; give ({len(demand)}, k), k at least 1")
    if objective not in ("profit", "revenue"):
        raise ValueError(f"objective: got {objective!r}; give 'profit' or 'revenue'")
    compute = resolve_device(device) if isinstance(device, str) else device
    market = _Market(demand, options, np.zeros(len(cost)) if objective == "revenue" else cost, compute.final)
    chosen, rounds = market.joint()
    ticks = options[np.arange(len(demand)), chosen]
    alone = options[np.arange(len(demand)), market.alone(today)]
    margin = np.zeros(len(cost)) if objective == "revenue" else cost

    def profit(prices: Ints) -> Floats:
        of = demand.category[demand.nest]
        return np.bincount(of, (prices - margin) * demand.units(prices), len(demand.shoppers)).astype(np.float64)

    return SubstitutePrices(
        ticks=ticks,
        units=demand.units(ticks),
        profit=profit(ticks),
        profit_alone=profit(alone),
        profit_today=profit(today),
        rounds=rounds,
    )


class _Market:
    """The options of all products on one device."""

    def __init__(self, demand: NestedLogit, options: Ints, cost: Floats, device: torch.device) -> None:
        def put(array: Ints | Floats) -> Tensor:
            return torch.from_numpy(array).to(device)

        self.nest, self.category, self.gamma = put(demand.nest), put(demand.category), put(demand.dissimilarity)
        self.nests, self.categories = len(demand.category), len(demand.shoppers)
        self.demand, self.price = demand, put(options).double()
        utility = put(demand.taste)[:, None] - put(demand.sensitivity)[:, None] * self.price
        self.weight = torch.exp(utility / self.gamma[self.nest][:, None])
        self.margin = self.price - put(cost)[:, None]
        self.plain = bool((self.gamma == 1).all())

    def joint(self) -> tuple[Ints, int]:
        """Return the best option of every product, (sku,) int64, and the rounds it took."""
        theta = torch.zeros(self.categories, dtype=torch.float64, device=self.price.device)
        option = self._best(theta)
        rounds = 1
        while rounds < MOST_ROUNDS and bool((self._earned(option) > theta * (1 + TOLERANCE)).any()):
            theta = torch.maximum(theta, self._earned(option))
            option = self._best(theta)
            rounds += 1
        return option.cpu().numpy(), rounds

    def alone(self, today: Ints) -> Ints:
        """Return the option that is best for each product while the others cost what they do today.

        Its share is w·Vg^(γ−1)/(1 + Σ Vh^γ), with w and so Vg its own to move.
        """
        at = torch.from_numpy(np.asarray(today, dtype=np.float64))
        weight, nest = self.demand.weights(at)
        weight, nest = weight.to(self.price.device), nest.to(self.price.device)
        total = group_sum(weight, nest, self.nests)
        value = total**self.gamma
        everything = 1 + group_sum(value, self.category, self.categories)
        gamma = self.gamma[nest][:, None]
        own = (total[nest] - weight)[:, None] + self.weight
        rest = everything[self.category][nest][:, None] - value[nest][:, None]
        share = self.weight * own ** (gamma - 1) / (rest + own**gamma)
        found: Ints = (share * self.margin).max(1).indices.cpu().numpy()
        return found

    def _earned(self, option: Tensor) -> Tensor:
        """Return (category,) profit a shopper at (sku,) options."""
        weight = self.weight.gather(1, option[:, None])[:, 0]
        margin = self.margin.gather(1, option[:, None])[:, 0]
        total, earned = group_sum(weight, self.nest, self.nests), group_sum(weight * margin, self.nest, self.nests)
        value = total**self.gamma
        sums = group_sum(value * earned / total, self.category, self.categories)
        return sums / (1 + group_sum(value, self.category, self.categories))

    def _best(self, theta: Tensor) -> Tensor:
        """Return the (sku,) options that maximise Σ Vg^γg·(Rg − θ)."""
        of_nest = theta[self.category]
        if self.plain:
            return self._at(of_nest)
        low, high = self._range(of_nest)
        best = low
        for _ in range(ZOOMS):
            worth = torch.stack([self._worth(phi, of_nest) for phi in _between(low, high)])
            place = worth.argmax(0)
            grid = torch.stack(_between(low, high))
            best = grid.gather(0, place[None])[0]
            step = (high - low) / (GRID - 1)
            low, high = best - step, best + step
        return self._at(best)

    def _range(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return between which numbers φ of each nest lies: φ = γ·θ + (1 − γ)·(mean margin) at the optimum."""
        rows = torch.full((self.nests,), -torch.inf, dtype=torch.float64, device=theta.device)
        highest = rows.scatter_reduce(0, self.nest, self.margin.amax(1), "amax")
        lowest = -rows.scatter_reduce(0, self.nest, -self.margin.amin(1), "amax")
        mixed = [self.gamma * theta + (1 - self.gamma) * edge for edge in (lowest, highest)]
        return torch.minimum(*mixed), torch.maximum(*mixed)

    def _at(self, phi: Tensor) -> Tensor:
        """Return the (sku,) options of highest weight·(margin − φ of their nest)."""
        return (self.weight * (self.margin - phi[self.nest][:, None])).max(1).indices

    def _worth(self, phi: Tensor, theta: Tensor) -> Tensor:
        """Return (nest,) Vg^γ·(Rg − θ) at the options for φ."""
        option = self._at(phi)[:, None]
        weight, margin = self.weight.gather(1, option)[:, 0], self.margin.gather(1, option)[:, 0]
        total, earned = group_sum(weight, self.nest, self.nests), group_sum(weight * margin, self.nest, self.nests)
        return total**self.gamma * (earned / total - theta)


def _between(low: Tensor, high: Tensor) -> list[Tensor]:
    return [low + (high - low) * (step / (GRID - 1)) for step in range(GRID)]
