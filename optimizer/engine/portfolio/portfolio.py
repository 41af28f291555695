"""What is chosen together: one option a SKU, and what ties the choices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from catalog.guardrails import Ints

from ..price_groups import PADDING, Ladder
from ..pricing_arrays import Floats

BLOCKS: Final = 16
"""Parts into which SKUs are cut that no group tells apart: a cut for each makes the dual converge in fewer steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupling:
    """Hold one constraint over many SKUs: Σ usage[i, option of i] ≤ limit, over all SKUs or over those of each group.

    Args:
        name: how a refusal names it.
        usage: (sku, k) float64, finite.
        limit: (group,) float64.
        group: (sku,) int64, which group's limit a SKU counts against; None where there is one group, of all SKUs.
    """

    name: str
    usage: Floats
    limit: Floats
    group: Ints | None = None

    def codes(self) -> Ints:
        """Return the (sku,) group of every SKU."""
        return np.zeros(len(self.usage), dtype=np.int64) if self.group is None else self.group


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Hold ladders of related SKUs, all with the same number of members, whose prices keep a relation.

    Args:
        rows: (ladder, member) int64 rows of the portfolio.
        ticks: (ladder, member, k) int64 prices of their options, rising; `PADDING` behind the last.
        relation: what neighbours keep, one row a ladder.
    """

    rows: Ints
    ticks: Ints
    relation: Ladder


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """Hold the choice: max Σ value[i, option of i], one option a SKU, under couplings and relations.

    Args:
        value: (sku, k) float64, finite for options that may be chosen, -inf for others; each SKU has one that may.
        couplings: what ties the SKUs.
        families: (family, member) int64 rows each; the members of a family take the same option, and some option is
            open to all of them. A SKU is in one family or chain at most.
        chains: ladders.

    Raises:
        ValueError: shapes do not match, a usage or limit is not finite, a group has no limit, or a SKU has no option.
    """

    value: Floats
    couplings: Sequence[Coupling] = ()
    families: Sequence[Ints] = ()
    chains: Sequence[Chain] = ()

    def __post_init__(self) -> None:
        if self.value.ndim != 2 or not np.isfinite(self.value.max(axis=1)).all():
            raise ValueError("value: give (sku, k) with one finite option a SKU; leave out SKUs that have none")
        for coupling in self.couplings:
            self._check(coupling)
        for family in self.families:
            if not np.isfinite(self.value[family].sum(axis=1).max(axis=1)).all():
                raise ValueError("families: a family has no option that all members may choose; leave it out")
        for chain in self.chains:
            if (chain.ticks < PADDING).sum(axis=2).min(initial=1) < 1:
                raise ValueError("chains: a member has no option; leave its ladder out")

    def _check(self, coupling: Coupling) -> None:
        if coupling.usage.shape != self.value.shape:
            raise ValueError(f"{coupling.name}: usage has shape {coupling.usage.shape}; give {self.value.shape}")
        if not np.isfinite(coupling.limit).all() or not np.isfinite(coupling.usage).all():
            raise ValueError(f"{coupling.name}: usage or limit is not finite; give numbers, 0 for options not chosen")
        codes = coupling.codes()
        if codes.shape != (len(self),) or codes.min(initial=0) < 0 or codes.max(initial=0) >= len(coupling.limit):
            raise ValueError(f"{coupling.name}: group names a limit that is not there; give codes from 0")

    def __len__(self) -> int:
        return len(self.value)

    def related(self) -> Ints:
        """Return the rows of families and chains, which choose together."""
        together = [*self.families, *(chain.rows for chain in self.chains)]
        return np.concatenate([np.empty(0, dtype=np.int64), *(each.reshape(-1) for each in together)])

    def cells(self) -> tuple[Ints, Ints]:
        """Cut the SKUs into cells whose members count against the same limits.

        Returns:
            The (sku,) cell of every SKU, and the (cell, coupling) group that its members are in.
        """
        grouped = [coupling.codes() for coupling in self.couplings if coupling.group is not None]
        if not grouped:
            blocks = np.arange(len(self), dtype=np.int64) * BLOCKS // len(self)
            return blocks, np.zeros((BLOCKS, len(self.couplings)), dtype=np.int64)
        _, first, cell = np.unique(np.stack(grouped), axis=1, return_index=True, return_inverse=True)
        groups = np.stack([coupling.codes()[first] for coupling in self.couplings], axis=1)
        return cell.reshape(-1).astype(np.int64), groups

    def usage_of(self, option: Ints) -> list[Floats]:
        """Return what (sku,) options use of each coupling's limits, (group,) float64 each."""
        rows = np.arange(len(self))
        return [
            np.bincount(each.codes(), each.usage[rows, option], len(each.limit)).astype(np.float64)
            for each in self.couplings
        ]

    def value_of(self, option: Ints) -> float:
        """Return Σ value of (sku,) options."""
        return float(self.value[np.arange(len(self)), option].sum())
