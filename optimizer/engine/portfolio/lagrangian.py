"""The relaxation: limits become prices, and every SKU chooses alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from catalog.guardrails import Ints

from ..chunks import run_in_chunks, run_side_by_side
from ..devices import ComputeDevice
from ..price_groups import PADDING, solve_ladders
from ..pricing_arrays import Floats
from .portfolio import Chain, Portfolio

ROWS_IN_CACHE: Final = 4_096
"""SKUs at a time on the processor: a block of options stays in its cache. 60 ms a core for 1 M SKUs × 21 options."""

FEW_ROWS: Final = 16_384
"""Up to so many, starting threads takes longer than the work: 2,000 SKUs took 21 ms with them, 11 ms without."""

ROWS_ON_GPU: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Relaxed:
    """Hold what every SKU chooses at given multipliers.

    Args:
        bound: Σ max over options (value − multipliers·usage) + multipliers·limits: no feasible choice has a higher
            value.
        option: (sku,) int64.
        value: (cell,) float64, Σ value of the options.
        usage: (cell, coupling) float64, Σ usage of the options.
    """

    bound: float
    option: Ints
    value: Floats
    usage: Floats


class Lagrangian:
    """Evaluate L(λ) = λ·limits + Σᵢ maxₖ (value[i, k] − Σⱼ λⱼ·usageⱼ[i, k]) for λ ≥ 0, in float64.

    L is convex and above the value of every feasible choice, whatever λ (weak duality). Families and ladders choose
    jointly: by the sum of their members, and by the dynamic programme of `price_groups`.

    Args:
        portfolio: the choice.
        device: where; a device without float64 leaves it to the processor.

    Source: Geoffrion (1974), "Lagrangean relaxation for integer programming"; Everett (1963).
    """

    def __init__(self, portfolio: Portfolio, device: ComputeDevice) -> None:
        self.portfolio, self.device = portfolio, device.final
        self.value = self._put(portfolio.value)
        self.usage = [self._put(each.usage) for each in portfolio.couplings]
        self.codes = [None if each.group is None else self._put(each.group) for each in portfolio.couplings]
        self.limits = np.concatenate([np.empty(0), *(each.limit for each in portfolio.couplings)])
        sizes = [len(each.limit) for each in portfolio.couplings]
        self.offsets = np.cumsum([0, *sizes])
        self.cell, groups = portfolio.cells()
        self.multiplier_of = groups + self.offsets[:-1]
        """(cell, coupling): which multiplier a cell's usage of a coupling is charged with."""
        self._cell = self._put(self.cell)

    def _put(self, array: Ints | Floats) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def evaluate(self, multipliers: Floats) -> Relaxed:
        """Return what every SKU chooses at (limit,) multipliers ≥ 0, the limits of all couplings in a row."""
        size = len(self.portfolio)
        option = torch.empty(size, dtype=torch.int64, device=self.device)
        charges = self._charges(multipliers)

        def choose(rows: slice) -> None:
            option[rows] = self.scores(rows, charges).max(1).indices

        self._in_chunks(choose)
        for family in self.portfolio.families:
            self._choose_in_families(family, charges, option)
        for chain in self.portfolio.chains:
            self._choose_in_ladders(chain, charges, option)
        value, usage = self._totals(option)
        relaxed = value.sum() - (usage * multipliers[self.multiplier_of]).sum()
        return Relaxed(float(relaxed + multipliers @ self.limits), option.cpu().numpy(), value, usage)

    def _in_chunks(self, run: Callable[[slice], None]) -> None:
        size = len(self.portfolio)
        if self.device.type != "cpu":
            run_in_chunks(size, ROWS_ON_GPU, run)
        elif size <= FEW_ROWS:
            run_in_chunks(size, ROWS_IN_CACHE, run)
        else:
            run_side_by_side(size, ROWS_IN_CACHE, run)

    def _charges(self, multipliers: Floats) -> list[Tensor | float]:
        """Return each coupling's multiplier: one number, or one for each SKU."""
        charges: list[Tensor | float] = []
        for place, codes in enumerate(self.codes):
            own = multipliers[self.offsets[place] : self.offsets[place + 1]]
            charges.append(float(own[0]) if codes is None else self._put(own)[codes][:, None])
        return charges

    def scores(self, rows: slice | Tensor, charges: list[Tensor | float]) -> Tensor:
        """Return (row, k) value − multipliers·usage."""
        score = self.value[rows].clone()
        for usage, charge in zip(self.usage, charges, strict=True):
            if isinstance(charge, float):
                if charge:
                    score.sub_(usage[rows], alpha=charge)
            else:
                score.addcmul_(usage[rows], charge[rows], value=-1)
        return score

    def scores_at(self, multipliers: Floats, rows: Ints) -> Floats:
        """Return (row, k) value − multipliers·usage of some SKUs."""
        found: Floats = self.scores(self._put(rows), self._charges(multipliers)).cpu().numpy()
        return found

    def lead(self, multipliers: Floats) -> Floats:
        """Return by how much each SKU's best option beats its second best, (sku,) float64; infinite with one option."""
        size, charges = len(self.portfolio), self._charges(multipliers)
        lead = torch.full((size,), torch.inf, dtype=torch.float64, device=self.device)

        def compare(rows: slice) -> None:
            best = self.scores(rows, charges).topk(2, dim=1).values
            lead[rows] = best[:, 0] - best[:, 1]

        if self.value.shape[1] > 1:
            self._in_chunks(compare)
        found: Floats = lead.cpu().numpy()
        return found

    def _choose_in_families(self, family: Ints, charges: list[Tensor | float], option: Tensor) -> None:
        rows = self._put(family)
        score = self.scores(rows.reshape(-1), charges).reshape(*family.shape, -1)
        option[rows] = score.sum(1).max(1).indices[:, None].expand_as(rows)

    def _choose_in_ladders(self, chain: Chain, charges: list[Tensor | float], option: Tensor) -> None:
        rows = self._put(chain.rows.reshape(-1))
        score = self.scores(rows, charges).cpu().numpy().reshape(chain.ticks.shape)
        there = chain.ticks < PADDING
        price = solve_ladders(chain.ticks, np.where(there, score, 0.0), chain.relation).price
        option[rows] = self._put((chain.ticks == price[..., None]).argmax(axis=2).reshape(-1))

    def _totals(self, option: Tensor) -> tuple[Floats, Floats]:
        """Return the (cell,) value and the (cell, coupling) usage of (sku,) options."""
        cells = len(self.multiplier_of)

        def total(of: Tensor) -> Floats:
            chosen = of.gather(1, option[:, None])[:, 0]
            found: Floats = torch.bincount(self._cell, weights=chosen, minlength=cells).cpu().numpy()
            return found

        usage = [total(each) for each in self.usage]
        return total(self.value), np.stack(usage, axis=1) if usage else np.zeros((cells, 0))
