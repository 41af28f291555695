"""Choose one option a SKU under limits that tie them together, with a certificate of how good the choice is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import Ints

from ..devices import ComputeDevice, resolve_device
from ..pricing_arrays import Floats
from .dual import Dual, best_multipliers
from .lagrangian import Lagrangian
from .portfolio import Portfolio
from .primal import feasible_choice

TOLERANCE: Final = 5e-5

DUAL_TOLERANCE: Final = 1e-10
"""Of the bound. The limits are missed by its square root: 1e-6 left 1,200 of a million changes too many, this 50."""


class CannotMeet(ValueError):
    """No choice keeps every limit; ``unmet`` says which limits, and how far each can be met."""

    def __init__(self, unmet: "Sequence[Unmet]") -> None:
        super().__init__("; ".join(str(each) for each in unmet))
        self.unmet = tuple(unmet)


@dataclass(frozen=True, slots=True)
class Unmet:
    """Hold a limit that cannot be kept.

    Args:
        coupling: its place among the couplings.
        name: of the coupling.
        group: which of its limits.
        limit: what its usage should not exceed.
        least: the least usage that can be had: of all SKUs alone, or together with the limits before it.
        alone: whether it cannot be kept even alone.
    """

    coupling: int
    name: str
    group: int
    limit: float
    least: float
    alone: bool

    def __str__(self) -> str:
        others = "even alone" if self.alone else "together with the others"
        return (
            f"{self.name}, group {self.group}: {self.limit:.6g} cannot be kept {others}; at best it is {self.least:.6g}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioResult:
    """Hold the choice and its certificate.

    Args:
        option: (sku,) int64.
        value: Σ value.
        bound: no choice that keeps the limits is worth more.
        usage, multipliers: for each coupling, (group,) float64: what is used, and by how much the best value rises for
            one more unit of the limit, near the limit as it is.
        mended: (sku,) bool, whether a SKU has another option than the one that scores best at the multipliers.
        steps: evaluations of the dual.
        core: SKUs that were chosen anew to keep the limits exactly.
    """

    option: Ints
    value: float
    bound: float
    usage: tuple[Floats, ...]
    multipliers: tuple[Floats, ...]
    mended: NDArray[np.bool_]
    steps: int
    core: int

    @property
    def gap(self) -> float:
        """Return how far the value can be from the best, relative to the bound; ≥ 0."""
        return max(self.bound - self.value, 0.0) / max(abs(self.bound), 1e-300)


def optimize_portfolio(
    portfolio: Portfolio,
    *,
    device: str | ComputeDevice = "auto",
    tolerance: float = TOLERANCE,
    start: Sequence[Floats] | None = None,
) -> PortfolioResult:
    """Choose the options of highest total value that keep every limit.

    Use it where a revenue floor, a margin rate, a budget of changes or a price index ties SKUs together; SKUs by
    themselves are `optimize_ticks`'s. Linear in the number of SKUs; the number of steps hardly depends on it.

    Args:
        portfolio: the choice.
        device: as for `resolve_device`.
        tolerance: the relative gap to reach; what was reached is in the result.
        start: multipliers of an earlier result, to begin at.

    Returns:
        The choice, its value and an upper bound of any value.

    Raises:
        CannotMeet: no choice keeps all limits.
        ValueError: no such device.
    """
    compute = resolve_device(device) if isinstance(device, str) else device
    lagrangian = Lagrangian(portfolio, compute)
    first = None if start is None else np.concatenate([np.empty(0), *start])
    dual = best_multipliers(lagrangian, tolerance=DUAL_TOLERANCE, start=first)
    if dual.infeasible:
        raise CannotMeet(unmet_limits(portfolio, dual.multipliers, compute))
    primal = feasible_choice(lagrangian, dual, tolerance=tolerance)
    if primal is None:
        raise CannotMeet(_missed(lagrangian, dual))
    return PortfolioResult(
        option=primal.option,
        value=primal.value,
        bound=dual.relaxed.bound,
        usage=tuple(portfolio.usage_of(primal.option)),
        multipliers=tuple(_split(dual.multipliers, lagrangian.offsets)),
        mended=primal.option != dual.relaxed.option,
        steps=dual.steps,
        core=primal.core,
    )


def _split(values: Floats, offsets: Ints) -> list[Floats]:
    return np.split(values, offsets[1:-1]) if len(offsets) > 1 else []


def unmet_limits(portfolio: Portfolio, multipliers: Floats, device: ComputeDevice) -> list[Unmet]:
    """Name the limits that a proof of infeasibility (multipliers with a bound below any value) rests on.

    Where some cannot be kept even alone, those; else the last of them, beside the others.
    """
    offsets = np.cumsum([0, *(len(each.limit) for each in portfolio.couplings)])
    involved = [
        (number, group)
        for number, coupling in enumerate(portfolio.couplings)
        for group in range(len(coupling.limit))
        if multipliers[offsets[number] + group] > 0
    ]
    alone = []
    for number, group in involved:
        coupling = portfolio.couplings[number]
        usage = np.where(np.isfinite(portfolio.value), coupling.usage, np.inf).min(axis=1)
        least = float(usage[coupling.codes() == group].sum())
        if least > coupling.limit[group]:
            alone.append(Unmet(number, coupling.name, group, float(coupling.limit[group]), least, alone=True))
    return alone or [_beside_the_others(portfolio, number, group, device) for number, group in involved[-1:]]


def _beside_the_others(portfolio: Portfolio, number: int, group: int, device: ComputeDevice) -> Unmet:
    """Say how far one limit can be kept while all others are."""
    coupling = portfolio.couplings[number]
    ours = (coupling.codes() == group)[:, None]
    value = np.where(np.isfinite(portfolio.value), np.where(ours, -coupling.usage, 0.0), -np.inf)
    spared = coupling.limit.copy()
    spared[group] = np.where(ours, np.abs(coupling.usage), 0.0).max(axis=1).sum() + 1.0
    couplings = [*portfolio.couplings]
    couplings[number] = replace(coupling, limit=spared)
    best = optimize_portfolio(replace(portfolio, value=value, couplings=couplings), device=device)
    return Unmet(number, coupling.name, group, float(coupling.limit[group]), -best.bound, alone=False)


def _missed(lagrangian: Lagrangian, dual: Dual) -> list[Unmet]:
    """Name the limits that the relaxation's choice misses, where no core could mend it."""
    portfolio = lagrangian.portfolio
    return [
        Unmet(number, coupling.name, group, float(coupling.limit[group]), float(usage[group]), alone=False)
        for number, (coupling, usage) in enumerate(
            zip(portfolio.couplings, portfolio.usage_of(dual.relaxed.option), strict=True)
        )
        for group in np.flatnonzero(usage > coupling.limit).tolist()
    ]
