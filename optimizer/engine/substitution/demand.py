"""Nested logit demand of many categories at once."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from catalog.guardrails import Ints

from ..groups import group_sum
from ..pricing_arrays import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedLogit:
    """Hold how shoppers of each category choose among its products, and whether they buy at all.

    A shopper buys in nest g with probability Vg^γg / (1 + Σ Vh^γh), Vg = Σ exp((aᵢ − βᵢ·pᵢ)/γg) over its products, and
    of these product i with probability exp((aᵢ − βᵢ·pᵢ)/γg)/Vg. γ = 1 in all nests is the multinomial logit; the
    smaller γ, the more products of a nest take from each other and the less from other nests.

    Args:
        taste: (sku,) float64 aᵢ, utility at price 0; buying nothing has utility 0.
        sensitivity: (sku,) float64 βᵢ, utility lost per tick, > 0.
        nest: (sku,) int64 codes from 0.
        category: (nest,) int64 codes from 0: shoppers of a category choose among its nests.
        dissimilarity: (nest,) float64 γ in (0, 1].
        shoppers: (category,) float64, units that would be sold if all bought, > 0.

    Raises:
        ValueError: a value is outside its domain; the message names it and the cure.

    Source: McFadden (1978); Train (2009), *Discrete Choice Methods with Simulation*, ch. 4.
    """

    taste: Floats
    sensitivity: Floats
    nest: Ints
    category: Ints
    dissimilarity: Floats
    shoppers: Floats

    def __post_init__(self) -> None:
        _require((self.sensitivity > 0) & np.isfinite(self.sensitivity), "sensitivity", "give finite numbers above 0")
        _require(np.isfinite(self.taste), "taste", "give finite numbers")
        _require((self.dissimilarity > 0) & (self.dissimilarity <= 1), "dissimilarity", "give numbers above 0, up to 1")
        _require((self.shoppers > 0) & np.isfinite(self.shoppers), "shoppers", "give finite numbers above 0")
        _require((self.nest >= 0) & (self.nest < len(self.category)), "nest", "give codes of the nests, from 0")
        _require((self.category >= 0) & (self.category < len(self.shoppers)), "category", "give codes from 0")

    def __len__(self) -> int:
        return len(self.taste)

    @classmethod
    def calibrate(
        cls,
        *,
        price: Ints | Floats,
        units: Floats,
        elasticity: Floats,
        category: Ints,
        outside_share: float | Floats,
        nest: Ints | None = None,
        dissimilarity: float = 1.0,
    ) -> Self:
        """Return the demand that sells today's units at today's prices, with the own-price elasticities that are known.

        The own-price elasticity of the nested logit is −β·p·(1/γ − (1 − γ)/γ·sᵢ|g − sᵢ).

        Args:
            price: (sku,) ticks today, > 0.
            units: (sku,) sold at these prices, > 0.
            elasticity: (sku,) own-price elasticities, < 0.
            category: (sku,) int64 codes from 0.
            outside_share: share of shoppers who buy nothing, in (0, 1); one number, or one a category. It says how much
                of what a dearer product loses is lost to the shop, and no sales tell it: take it from what is known of
                the market, and see what another one would change.
            nest: (sku,) int64 codes from 0, each inside one category; None for one nest a category.
            dissimilarity: γ of every nest.

        Raises:
            ValueError: a value is outside its domain, or a nest lies in two categories.
        """
        _require((np.asarray(price) > 0), "price", "give prices above 0")
        _require((units > 0) & np.isfinite(units), "units", "give units above 0; leave out what does not sell")
        _require((elasticity < 0) & np.isfinite(elasticity), "elasticity", "give numbers below 0")
        nest = category if nest is None else nest
        of = np.zeros(int(nest.max()) + 1, dtype=np.int64)
        of[nest] = category
        _require(of[nest] == category, "nest", "keep each nest inside one category")
        count = int(category.max()) + 1
        outside = np.broadcast_to(np.asarray(outside_share, dtype=np.float64), (count,))
        _require((outside > 0) & (outside < 1), "outside_share", "give shares above 0 and below 1")
        shoppers = np.bincount(category, units, count) / (1 - outside)
        share = units / shoppers[category]
        in_nest = np.bincount(nest, share, len(of))
        within, gamma = share / in_nest[nest], dissimilarity
        response = 1 / gamma - (1 - gamma) / gamma * within - share
        sensitivity = -elasticity / (price * response)
        # ln(sᵢ/s₀) = (aᵢ − βᵢ·pᵢ) + (1 − γ)·ln of the share within the nest (Berry, 1994), all divided as there.
        taste = gamma * np.log(within) + np.log(in_nest[nest] / outside[category]) + sensitivity * price
        return cls(
            taste=taste,
            sensitivity=sensitivity,
            nest=nest,
            category=of,
            dissimilarity=np.full(len(of), float(dissimilarity)),
            shoppers=shoppers,
        )

    def units(self, price: Ints | Floats) -> Floats:
        """Return the (sku,) units expected at (sku,) prices in ticks."""
        weight, nest = self.weights(torch.from_numpy(np.asarray(price, dtype=np.float64)))
        total = group_sum(weight, nest, len(self.category))
        value = total ** torch.from_numpy(self.dissimilarity)
        category = torch.from_numpy(self.category)
        bought = value / (1 + group_sum(value, category, len(self.shoppers)))[category]
        units = torch.from_numpy(self.shoppers[self.category]) * bought
        found: Floats = (units[nest] * weight / total[nest]).numpy()
        return found

    def weights(self, price: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (sku,) exp((aᵢ − βᵢ·pᵢ)/γg) at (sku,) prices, and the nests."""
        gamma = torch.from_numpy(self.dissimilarity[self.nest])
        utility = torch.from_numpy(self.taste) - torch.from_numpy(self.sensitivity) * price
        return torch.exp(utility / gamma), torch.from_numpy(self.nest)


def _require(right: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], name: str, cure: str) -> None:
    wrong = np.flatnonzero(~right)
    if len(wrong):
        raise ValueError(f"{name}: row {wrong[0]} is outside its domain; {cure}")
