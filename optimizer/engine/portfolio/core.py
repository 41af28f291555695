"""A feasible choice: most SKUs keep what the multipliers chose, a core of undecided ones is chosen anew."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from catalog.guardrails import Ints

from ..pricing_arrays import Floats
from .dual import Dual
from .lagrangian import Lagrangian

OPTIONS: Final = 6
"""Options of a SKU in the core: the best by score at the multipliers."""


@dataclass(frozen=True, slots=True)
class Core:
    """Hold the choices of the core's SKUs; limits are scaled so that no single choice uses more than 1 of one.

    Args:
        row: (choice,) int64, which of the core's SKUs.
        sku, option: (choice,) int64, in the portfolio.
        value: (choice,) float64.
        score: (choice,) float64, value − multipliers·usage.
        usage: (choice, coupling) float64.
        limit: (choice, coupling) int64, which limit that counts against.
        cell: (choice,) int64; SKUs of a cell count against the same limits.
        rest: (limit,) float64, what SKUs outside the core leave of each limit.
    """

    row: Ints
    sku: Ints
    option: Ints
    value: Floats
    score: Floats
    usage: Floats
    limit: Ints
    cell: Ints
    rest: Floats

    @classmethod
    def of(cls, lagrangian: Lagrangian, dual: Dual, skus: Ints, options: int = OPTIONS) -> Self:
        """Return the core of some SKUs with their best options, the others as the relaxation chose."""
        portfolio = lagrangian.portfolio
        scores = lagrangian.scores_at(dual.multipliers, skus)
        width = min(options, scores.shape[1])
        best = np.argpartition(-scores, width - 1, axis=1)[:, :width]
        row, place = np.nonzero(np.isfinite(np.take_along_axis(scores, best, axis=1)))
        sku, option = skus[row], best[row, place]
        usage = np.stack([each.usage[sku, option] for each in portfolio.couplings], axis=1)
        limit = lagrangian.multiplier_of[lagrangian.cell[sku]]
        rest, chosen = lagrangian.limits.copy(), dual.relaxed.option[skus]
        np.subtract.at(rest, lagrangian.multiplier_of, dual.relaxed.usage)
        used = np.stack([each.usage[skus, chosen] for each in portfolio.couplings], axis=1)
        np.add.at(rest, lagrangian.multiplier_of[lagrangian.cell[skus]], used)
        scale = np.zeros(len(rest))
        np.maximum.at(scale, limit, np.abs(usage))
        scale = np.where(scale > 0, scale, 1.0)
        return cls(
            row=row,
            sku=sku,
            option=option,
            value=portfolio.value[sku, option],
            score=scores[row, option],
            usage=usage / scale[limit],
            limit=limit,
            cell=lagrangian.cell[sku],
            rest=rest / scale,
        )

    @property
    def size(self) -> int:
        """Return the number of SKUs."""
        return int(self.row[-1]) + 1
