"""What a price is good for: profit, revenue, or units sold.

To add an objective, write one `Objective` and register it: `value` scores prices, `interior_maxima` lists the log price
ratios of its local maxima without a stock limit. The property tests in `tests/engine/test_optimum.py` then run over it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from .demand import Demand
from .stationary import profit_maximum

TIE: Final = 1e-12
"""Scores that differ by less, relatively, count as equal: rounding alone moves a score by some 1e-15."""


@dataclass(frozen=True, slots=True)
class Objective:
    """Hold one objective.

    Args:
        name: what callers ask for.
        value: (price, cost, units), each (…, sku) float64 in ticks, ticks and units, to a score ≥ 0 that does not fall
            with price or units while the other stands.
        interior_maxima: (demand, cost, lower, upper, start) to (k, sku) log price ratios of the local maxima inside
            the band, without the stock limit; not finite where there is none. `start` is None or a (k, sku) first
            guess.
    """

    name: str
    value: Callable[[Tensor, Tensor, Tensor], Tensor]
    interior_maxima: Callable[[Demand, Tensor, Tensor, Tensor, Tensor | None], Tensor]


def profit_value(price: Tensor, cost: Tensor, units: Tensor) -> Tensor:
    """Return (p − c)·units."""
    return (price - cost) * units


def revenue_value(price: Tensor, cost: Tensor, units: Tensor) -> Tensor:
    """Return p·units."""
    return price * units


def units_value(price: Tensor, cost: Tensor, units: Tensor) -> Tensor:
    """Return the units sold.

    The share against a competitor, units/(units + the competitor's units), rises with own units while the
    competitor's price stands; so the best price is the same, and only the number that is reported differs.
    """
    return units


def no_interior_maximum(demand: Demand, cost: Tensor, lower: Tensor, upper: Tensor, start: Tensor | None) -> Tensor:
    """Return (0, sku): ln revenue and ln units are convex in ln p, so that their maxima are on a bound."""
    return torch.empty((0, len(cost)), dtype=cost.dtype, device=cost.device)


_REGISTRY: Final[dict[str, Objective]] = {}


def register_objective(objective: Objective) -> None:
    """Make an objective available by its name.

    Raises:
        ValueError: the name is taken; choose another.
    """
    if objective.name in _REGISTRY:
        raise ValueError(f"objective {objective.name!r} is registered already; choose another name")
    _REGISTRY[objective.name] = objective


def objective_named(name: str) -> Objective:
    """Return a registered objective.

    Raises:
        ValueError: there is none of that name; use one of those that the message lists.
    """
    if name not in _REGISTRY:
        raise ValueError(f"unknown objective {name!r}; use one of: {', '.join(objective_names())}")
    return _REGISTRY[name]


def objective_names() -> tuple[str, ...]:
    """Return the names of the registered objectives."""
    return tuple(_REGISTRY)


register_objective(Objective("profit", profit_value, profit_maximum))
register_objective(Objective("revenue", revenue_value, no_interior_maximum))
register_objective(Objective("market_share", units_value, no_interior_maximum))
