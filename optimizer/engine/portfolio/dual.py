"""The best multipliers: cutting planes in a box that moves and grows."""

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np
from highspy import HighsModelStatus

from ..pricing_arrays import Floats
from .lagrangian import Lagrangian, Relaxed
from .solver import quiet_solver

logger = logging.getLogger(__name__)

MOST_STEPS: Final = 200
MASTER_SCALE: Final = 1e4
"""What the values sum up to inside the master, whose tolerances are absolute."""

SERIOUS: Final = 0.1
"""The share of the promised fall of the bound from which on a step moves the box."""


@dataclass(frozen=True, slots=True)
class Dual:
    """Hold the best multipliers that were found.

    Args:
        multipliers: (limit,) float64 ≥ 0, in units of value per unit of usage.
        relaxed: what every SKU chooses at them; its bound is above every feasible value.
        steps: evaluations.
        infeasible: the bound fell below what any choice is worth: nothing keeps all limits. The multipliers prove it.
    """

    multipliers: Floats
    relaxed: Relaxed
    steps: int
    infeasible: bool


def best_multipliers(lagrangian: Lagrangian, *, tolerance: float, start: Floats | None = None) -> Dual:
    """Minimise L(λ) over λ ≥ 0.

    L is the largest of linear functions, one for each choice that was seen. The master, a linear programme with a piece
    for each cell, minimises their largest inside a box around the best λ; a step that keeps its promise moves the box,
    another one halves it, and a box whose edge is hit grows. Ends where the bound is within ``tolerance`` of the
    master's, which is below every bound where the box does not bind.

    Args:
        lagrangian: L.
        tolerance: of the bound, relative to it or to the span of Σ value, whichever is larger.
        start: (limit,) multipliers to begin at, of an earlier run; None for 0.

    Source: Kelley (1960); Marsten, Hogan and Blankenship (1975), "The boxstep method"; a cut for each cell: Geoffrion.
    """
    search = _Search(lagrangian, start)
    for _ in range(MOST_STEPS):
        if search.is_done(tolerance) or search.is_infeasible():
            break
        search.step()
    else:
        logger.warning("multipliers: stopped after %d steps, %.2g from the best", MOST_STEPS, search.promise())
    return Dual(search.centre * search.scale, search.best, search.steps, search.is_infeasible())


class _Search:
    """Hold the best multipliers so far, the box around them, and the cuts."""

    def __init__(self, lagrangian: Lagrangian, start: Floats | None) -> None:
        self.lagrangian = lagrangian
        self.span, self.scale, self.least = _scales(lagrangian)
        self.master = _Master(lagrangian, self.scale, MASTER_SCALE / self.span)
        count = len(lagrangian.limits)
        self.centre = np.zeros(count) if start is None else np.maximum(start, 0) / self.scale
        self.radius = np.ones(count)
        self.best, self.steps = lagrangian.evaluate(self.centre * self.scale), 1
        self.master.add(self.best)
        self._solve_master()

    def is_done(self, tolerance: float) -> bool:
        if len(self.centre) == 0:
            return True
        return not self.at_edge.any() and self.promise() <= tolerance * max(abs(self.best.bound), self.span)

    def is_infeasible(self) -> bool:
        """Tell whether the bound is below the worst that any choice is worth (and by more than rounding)."""
        return self.best.bound < self.least - 1e-6 * max(1.0, abs(self.least))

    def promise(self) -> float:
        """Return how far the bound can fall, according to the master."""
        return self.best.bound - self.model

    def step(self) -> None:
        """Try what the master proposes."""
        found, promised = self.lagrangian.evaluate(self.proposal * self.scale), self.promise()
        self.steps += 1
        self.master.add(found)
        fall = self.best.bound - found.bound
        if fall > 0:
            self.centre, self.best = self.proposal, found
        kept = fall >= SERIOUS * promised
        self.radius = np.where(self.at_edge, self.radius * 4, self.radius) if kept else self.radius / 2
        self._solve_master()

    def _solve_master(self) -> None:
        if len(self.centre) == 0:
            self.proposal, self.model, self.at_edge = self.centre, self.best.bound, np.zeros(0, dtype=bool)
            return
        low, high = np.maximum(self.centre - self.radius, 0), self.centre + self.radius
        self.proposal, self.model = self.master.solve(low, high)
        near = 1e-6 * self.radius
        self.at_edge = (self.proposal > high - near) | ((self.proposal < low + near) & (low > 0))


def _scales(lagrangian: Lagrangian) -> tuple[float, Floats, float]:
    """Return the span of Σ value, the (limit,) multipliers that weigh usage like value, and the least Σ value."""
    portfolio = lagrangian.portfolio
    allowed = np.isfinite(portfolio.value)
    low = np.where(allowed, portfolio.value, np.inf).min(axis=1)
    span = portfolio.value.max(axis=1) - low
    scales = [np.empty(0)]
    for coupling in portfolio.couplings:
        codes, groups = coupling.codes(), len(coupling.limit)
        usage = np.bincount(codes, weights=np.ptp(coupling.usage, axis=1), minlength=groups)
        value = np.bincount(codes, weights=span, minlength=groups)
        scales.append(np.where((usage > 0) & (value > 0), value, 1.0) / np.where(usage > 0, usage, 1.0))
    total = float(span.sum())
    return total if total > 0 else 1.0, np.concatenate(scales), float(low.sum())


class _Master:
    """The linear programme over (multipliers, a height for each cell), scaled; it goes on from where it last ended."""

    def __init__(self, lagrangian: Lagrangian, scale: Floats, value_scale: float) -> None:
        self.of, self.scale, self.value_scale = lagrangian.multiplier_of, scale, value_scale
        self.cells, self.count = len(self.of), len(scale)
        self.columns = np.arange(self.count, dtype=np.int32)
        costs = np.concatenate([lagrangian.limits * scale * value_scale, np.ones(self.cells)])
        low = np.concatenate([np.zeros(self.count), np.full(self.cells, -np.inf)])
        none = np.zeros(0, dtype=np.int32)
        self.solver = quiet_solver()
        self.solver.addCols(len(costs), costs, low, np.full(len(costs), np.inf), 0, none, none, np.zeros(0))

    def add(self, relaxed: Relaxed) -> None:
        """Add a cut for each cell: height ≥ value − multipliers·usage."""
        cells, couplings = relaxed.usage.shape
        entries = np.ones((cells, couplings + 1))
        entries[:, :couplings] = relaxed.usage * self.scale[self.of] * self.value_scale
        columns = np.empty((cells, couplings + 1), dtype=np.int32)
        columns[:, :couplings], columns[:, couplings] = self.of, self.count + np.arange(cells)
        starts = np.arange(cells, dtype=np.int32) * (couplings + 1)
        heights = relaxed.value * self.value_scale
        above = np.full(cells, np.inf)
        self.solver.addRows(cells, heights, above, entries.size, starts, columns.reshape(-1), entries.reshape(-1))

    def solve(self, low: Floats, high: Floats) -> tuple[Floats, float]:
        """Return the multipliers in the box with the least model value, and that value."""
        self.solver.changeColsBounds(self.count, self.columns, low, high)
        self.solver.run()
        if self.solver.getModelStatus() != HighsModelStatus.kOptimal:
            self.solver.clearSolver()  # its last basis has led it astray: once more from the beginning
            self.solver.run()
        if self.solver.getModelStatus() != HighsModelStatus.kOptimal:
            raise RuntimeError(f"the master programme ended as {self.solver.getModelStatus()}")
        found = np.array(self.solver.getSolution().col_value[: self.count])
        return np.clip(found, low, high), self.solver.getObjectiveValue() / self.value_scale
