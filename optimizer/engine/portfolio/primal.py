"""A feasible choice near the bound: mend and improve the relaxation's choice where it is nearly undecided."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .core import OPTIONS, Core
from .dual import Dual
from .exact import MOST_CHOICES, choose_exactly
from .greedy import choose_greedily
from .lagrangian import Lagrangian

FIRST_CORE: Final = 48
"""SKUs of the first core for each limit of all SKUs; and `PER_GROUP` for each group."""

PER_GROUP: Final = 8
GROWTH: Final = 4
LARGEST_CORE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Primal:
    """Hold a choice, (sku,) int64 options, and its value; ``core``: how many SKUs were chosen anew for it."""

    option: Ints
    value: float
    core: int


def feasible_choice(lagrangian: Lagrangian, dual: Dual, *, tolerance: float) -> Primal | None:
    """Find a choice that keeps every limit, with a value near the dual's bound.

    At the best multipliers all but about one SKU a limit have an option that is clearly best. Those whose best two are
    nearest form a core; single moves among its best options, then an integer programme, choose so that all limits are
    kept. Where neither can, or both stay farther than ``tolerance`` from the bound, relatively, the core grows.

    Returns:
        The best choice found; None where no core allowed one.

    Source: Balas and Zemel (1980) (core problems); Pisinger (1995).
    """
    best = _evaluated(lagrangian, dual.relaxed.option, 0)
    if not len(lagrangian.limits):
        return best
    order = _by_lead(lagrangian, dual)
    of_all = sum(codes is None for codes in lagrangian.codes)
    size = FIRST_CORE * (1 + of_all) + PER_GROUP * (len(lagrangian.limits) - of_all)
    enough = tolerance * abs(dual.relaxed.bound)
    while len(order) and (best is None or dual.relaxed.bound - best.value > enough):
        found = _choose_core(lagrangian, dual, np.sort(order[:size]), enough)
        better = found is not None and (best is None or found.value > best.value + enough / 10)
        if found is not None and (best is None or found.value > best.value):
            best = found
        if (best is not None and not better) or size >= min(len(order), LARGEST_CORE):
            break
        size *= GROWTH
    return best or _last_resort(lagrangian, dual, order, enough)


def _last_resort(lagrangian: Lagrangian, dual: Dual, order: Ints, enough: float) -> Primal | None:
    """Choose among all options of as many SKUs as an integer programme takes: tight limits may need poor options."""
    width = lagrangian.value.shape[1]
    skus = order[: MOST_CHOICES // width]
    return _choose_core(lagrangian, dual, np.sort(skus), enough, options=width) if len(skus) else None


def rounding(lagrangian: Lagrangian) -> Floats:
    """Return by how much sums in float64 may miss their limits, (limit,)."""
    tolerance: Floats = 1e-9 * np.maximum(np.abs(lagrangian.limits), 1e-9)
    return tolerance


def _evaluated(lagrangian: Lagrangian, option: Ints, core: int) -> Primal | None:
    """Return a choice with its value; None where it breaks a limit."""
    used = np.concatenate([np.empty(0), *lagrangian.portfolio.usage_of(option)])
    if (used > lagrangian.limits + rounding(lagrangian)).any():
        return None
    return Primal(option, lagrangian.portfolio.value_of(option), core)


def _by_lead(lagrangian: Lagrangian, dual: Dual) -> Ints:
    """Return the SKUs that choose alone, the least decided first, some of every cell before all others."""
    lead = lagrangian.lead(dual.multipliers)
    free = np.isfinite(lead)
    free[lagrangian.portfolio.related()] = False
    rows = np.flatnonzero(free)
    rows = rows[np.argsort(lead[rows], kind="stable")]
    if all(codes is None for codes in lagrangian.codes):
        return rows
    by_cell = rows[np.argsort(lagrangian.cell[rows], kind="stable")]
    cells = lagrangian.cell[by_cell]
    place = np.arange(len(by_cell)) - np.searchsorted(cells, cells)
    first = by_cell[place < PER_GROUP]
    return np.concatenate([first, rows[~np.isin(rows, first)]])


def _choose_core(
    lagrangian: Lagrangian, dual: Dual, skus: Ints, enough: float, options: int = OPTIONS
) -> Primal | None:
    core = Core.of(lagrangian, dual, skus, options)
    taken = choose_greedily(core)
    quick = None if taken is None else _with_core(lagrangian, dual, core, taken)
    if quick is not None and dual.relaxed.bound - quick.value <= enough:
        return quick
    exact = choose_exactly(core, enough=enough / 4, start=taken)
    return quick if exact is None else _with_core(lagrangian, dual, core, exact) or quick


def _with_core(lagrangian: Lagrangian, dual: Dual, core: Core, taken: Ints) -> Primal | None:
    option = dual.relaxed.option.copy()
    option[core.sku[taken]] = core.option[taken]
    return _evaluated(lagrangian, option, core.size)
