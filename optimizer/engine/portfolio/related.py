"""Families and ladders of a portfolio."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from catalog.guardrails import Ints, Rule

from ..joint import ORDER, RelatedSkus, relation_of
from ..price_groups import PADDING
from .ladder import PriceLadder
from .portfolio import Chain


@dataclass(frozen=True, slots=True)
class Related:
    """Hold which rows of the portfolio choose together.

    Args:
        families: (family, member) int64 rows, families of one size together.
        ladders: groups by rule and number of members, no SKU in two of them or in a family.
        held: rows that keep their joint price, because a group of theirs could not be chosen here: a member is not in
            the portfolio, or is in a family and a ladder, or the hard rules of a family keep its members apart.
    """

    families: list[Ints]
    ladders: dict[tuple[Rule, int], list[RelatedSkus]]
    held: Ints

    @classmethod
    def sort(cls, groups: Sequence[RelatedSkus], *, place: Ints, alone: Ints) -> Self:
        """Sort groups, whose rows are those of the inputs.

        Args:
            groups: families and ladders.
            place: (sku,) int64 row of the portfolio, -1 for SKUs that are not in it.
            alone: (sku,) int64 ticks, the joint prices.
        """
        families: dict[int, list[list[int]]] = defaultdict(list)
        ladders: dict[tuple[Rule, int], list[RelatedSkus]] = defaultdict(list)
        taken: set[int] = set()
        held: set[int] = set()
        for group in sorted(groups, key=lambda each: ORDER.index(each.rule)):
            rows = [int(place[row]) for row in group.rows]
            one_price = group.rule != Rule.FAMILY or len({int(alone[row]) for row in group.rows}) == 1
            if min(rows) < 0 or not taken.isdisjoint(rows) or not one_price:
                held.update(row for row in rows if row >= 0)
            elif group.rule == Rule.FAMILY:
                families[len(rows)].append(rows)
            else:
                ladders[group.rule, len(rows)].append(group)
            taken.update(rows)
        return cls(
            [np.array(rows, dtype=np.int64) for rows in families.values()], dict(ladders), np.array(sorted(held), int)
        )

    def chains(self, place: Ints, ladder: PriceLadder) -> list[Chain]:
        """Return the ladders with their options."""
        found = []
        for (rule, _), groups in self.ladders.items():
            rows = place[np.array([group.rows for group in groups], dtype=np.int64)]
            ticks = np.where(ladder.distinct[rows], ladder.ticks[rows], PADDING)
            found.append(Chain(rows=rows, ticks=ticks, relation=relation_of(rule, groups)))
        return found
