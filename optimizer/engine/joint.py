"""Solve groups of related SKUs from the same inputs as single SKUs: bands and scores in, joint prices out."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from catalog.guardrails import (
    MISSING,
    BandBatch,
    EndingTable,
    Ints,
    Place,
    Rule,
    admissible_band,
    hard_interval,
    relation_shortfalls,
)

from .objectives import Objective, objective_named
from .price_groups import PADDING, Ladder, QualityLadder, SizeLadder, nearest_common, solve_families, solve_ladders
from .pricing_arrays import Floats, PricingInputs
from .ticks import cost_ticks, demand_posterior, expectations, pricing_problem

MOST_CANDIDATES: Final = 1_024
"""Prices of a member that are compared; of a wider band as many, evenly spread, and the best price by itself."""

GROUPS_AT_A_TIME: Final = 512
ORDER: Final = (Rule.FAMILY, Rule.SIZE_LADDER, Rule.QUALITY_LADDER)
CPU: Final = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedSkus:
    """Hold one group.

    Args:
        rule: `FAMILY`, `SIZE_LADDER` or `QUALITY_LADDER`.
        rows: rows of the inputs, in the order of the ladder; two or more.
        places: each member's place.
    """

    rule: Rule
    rows: Sequence[int]
    places: Sequence[Place]


@dataclass(frozen=True, slots=True)
class JointDecision:
    """Hold what the groups came to.

    Args:
        price: (sku,) int64 ticks, the joint price of every member, the price alone of all others.
        shortfalls: for each group, the ticks by which each pair of neighbours misses the relation.
        yielded: by row, the rule that gave way to a family's price.
    """

    price: Ints
    shortfalls: list[list[int]]
    yielded: dict[int, Rule] = field(default_factory=dict)


def solve_related(
    inputs: PricingInputs, objective: str, *, alone: Ints, groups: Sequence[RelatedSkus]
) -> JointDecision:
    """Find the joint prices of related SKUs: the highest sum of expected objectives that keeps every relation.

    Families are solved first, then size ladders, then quality ladders; a SKU in groups of two kinds keeps in the
    second the price that it got in the first. Ladders keep every guardrail and get as near to their relation as the
    members' bands allow. A family needs one price: where the members' bands have none in common, endings give way, then
    the other soft rules; hard rules never.

    Args:
        inputs: (sku,) SKUs.
        objective: as in `optimize_ticks`.
        alone: (sku,) int64 ticks, each SKU's best price by itself; `MISSING` where it keeps the price in force.
        groups: the groups; rows of the inputs.

    Returns:
        A price for every SKU; those that keep the price in force have that.

    Raises:
        ValueError: no such objective.
    """
    solver = _Solver(inputs, objective_named(objective), alone)
    for rule in ORDER:
        by_size: dict[int, list[RelatedSkus]] = defaultdict(list)
        for group in groups:
            if group.rule == rule:
                by_size[len(group.rows)].append(group)
        for same_size in by_size.values():
            for start in range(0, len(same_size), GROUPS_AT_A_TIME):
                solver.solve(rule, same_size[start : start + GROUPS_AT_A_TIME])
    shortfalls = [
        relation_shortfalls(group.rule, group.places, [int(solver.price[row]) for row in group.rows])
        for group in groups
    ]
    return JointDecision(solver.price, shortfalls, solver.yielded)


def expectations_at(inputs: PricingInputs, price: Ints) -> dict[str, NDArray[Any]]:
    """Return what (sku,) prices are expected to bring, as `PricingResult` does; every SKU must be priced."""
    demand, cost = demand_posterior(inputs, CPU), cost_ticks(inputs, CPU)
    return expectations(demand, cost, torch.from_numpy(price), inputs.competitor_ticks)


class _Solver:
    """Hold the prices found so far; a SKU is free until a group gave it its price."""

    def __init__(self, inputs: PricingInputs, objective: Objective, alone: Ints) -> None:
        self.inputs, self.objective = inputs, objective
        self.band = admissible_band(inputs.guardrails, inputs.facts())
        self.hard_low, self.hard_high = hard_interval(inputs.guardrails, inputs.facts())
        self.table = EndingTable.build(inputs.guardrails.ending_sets)
        self.free = alone != MISSING
        self.price = np.where(self.free, alone, inputs.current_ticks)
        self.yielded: dict[int, Rule] = {}

    def solve(self, rule: Rule, groups: Sequence[RelatedSkus]) -> None:
        """Price groups of one kind and size."""
        rows = np.array([group.rows for group in groups], dtype=np.int64)
        if rule == Rule.FAMILY:
            price = self._families(rows)
        else:
            ticks = _padded([[self._candidates(row) for row in members] for members in rows.tolist()])
            price = solve_ladders(ticks, self._scores(rows, ticks), relation_of(rule, groups)).price
        self.price[rows] = price
        self.free[rows] = False

    def _candidates(self, row: int) -> Ints:
        """Return the admissible prices of a SKU, rising; its price alone where it is not free."""
        if not self.free[row]:
            return self.price[row : row + 1]
        every = self._ticks(row, int(self.band.lower[row]), int(self.band.upper[row]))
        return _thinned(every, int(self.price[row]))

    def _ticks(self, row: int, lower: int, upper: int) -> Ints:
        """Return the prices from `lower` to `upper` that end as the SKU's may; any, where none in its band does."""
        band, ending_set = slice(row, row + 1), self.inputs.guardrails.ending_set
        fitting = self.table.sets_that_fit(self.band.lower[band], self.band.upper[band], ending_set[band])[0]
        ticks = np.arange(lower, upper + 1, dtype=np.int64)
        ends_right = self.table.down[fitting, ticks % self.table.modulus] == 0
        return np.asarray(ticks[ends_right], dtype=np.int64)

    def _scores(self, rows: Ints, ticks: Ints) -> Floats:
        """Return (group, member, k) expected objectives at (group, member, k) prices; 0 for SKUs that are not free."""
        score = np.zeros(ticks.shape)
        free = self.free[rows]
        if not free.any():
            return score
        members = rows[free]
        part = self.inputs.rows(members)
        band = BandBatch(*(getattr(self.band, name)[members] for name in BandBatch.__slots__))
        problem = pricing_problem(part, band, self.table, CPU)
        price = torch.from_numpy(ticks[free].T.astype(np.float64))
        price = torch.where(price < PADDING, price, problem.demand.reference)
        units = problem.demand.expected_sales(problem.demand.log_ratio(price))
        score[free] = self.objective.value(price, problem.cost, units).numpy().T
        return score

    def _families(self, rows: Ints) -> Ints:
        low, high, hard_low, hard_high = self._intervals(rows)
        price = nearest_common(low, high, hard_low, hard_high)
        common_low, common_high = low.max(axis=1), high.min(axis=1)
        meeting = np.flatnonzero(common_low <= common_high)
        if len(meeting):
            members = rows[meeting].tolist()
            shared = [
                self._common(each, int(common_low[group]), int(common_high[group]))
                for group, each in zip(meeting, members, strict=True)
            ]
            ticks = _padded([[each] for each in shared])[:, 0]
            everywhere = np.repeat(ticks[:, None], rows.shape[1], axis=1)
            price[meeting] = solve_families(ticks, self._scores(rows[meeting], everywhere)).price
        self._note_what_yielded(rows, price)
        return price

    def _intervals(self, rows: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Return band and hard interval of (group, member) SKUs; of one that is not free, its price alone."""
        bounds = (self.band.lower, self.band.upper, self.hard_low, self.hard_high)
        low, high, hard_low, hard_high = (np.where(self.free, each, self.price)[rows] for each in bounds)
        return low, high, hard_low, hard_high

    def _common(self, members: Sequence[int], lower: int, upper: int) -> Ints:
        """Return the prices that all members may take; every tick of their common band where no ending suits all."""
        free = [row for row in members if self.free[row]]
        each = [self._ticks(row, lower, upper) for row in free] or [np.array([lower])]
        shared = reduce(np.intersect1d, each)
        every = shared if len(shared) else np.arange(lower, upper + 1, dtype=np.int64)
        return _thinned(every, int(self.price[members[0]]))

    def _note_what_yielded(self, rows: Ints, price: Ints) -> None:
        band = self.band
        for row, ticks in zip(rows.flatten().tolist(), price.flatten().tolist(), strict=True):
            if not self.free[row]:
                continue
            if ticks < band.lower[row]:
                self.yielded[row] = Rule(int(band.lower_rule[row]))
            elif ticks > band.upper[row]:
                self.yielded[row] = Rule(int(band.upper_rule[row]))
            elif not len(self._ticks(row, ticks, ticks)):
                self.yielded[row] = Rule.PRICE_ENDING


def relation_of(rule: Rule, groups: Sequence[RelatedSkus]) -> Ladder:
    def column(name: str, last: int | None) -> torch.Tensor:
        return torch.tensor([[getattr(place, name) for place in group.places[:last]] for group in groups])

    if rule == Rule.SIZE_LADDER:
        return SizeLadder(column("size", None))
    return QualityLadder(column("step_ticks", -1), column("step_bp", -1))


def _padded(candidates: Sequence[Sequence[Ints]]) -> Ints:
    """Return (group, member, k) ticks with `PADDING` behind the shorter rows."""
    width = max(len(each) for members in candidates for each in members)
    ticks = np.full((len(candidates), len(candidates[0]), width), PADDING, dtype=np.int64)
    for group, members in enumerate(candidates):
        for member, each in enumerate(members):
            ticks[group, member, : len(each)] = each
    return ticks


def _thinned(ticks: Ints, keep: int) -> Ints:
    """Return the ticks, or of more than `MOST_CANDIDATES` as many evenly spread and `keep`, if it is one of them."""
    if len(ticks) <= MOST_CANDIDATES:
        return ticks
    spread = ticks[np.linspace(0, len(ticks) - 1, MOST_CANDIDATES).astype(np.int64)]
    return np.union1d(spread, ticks[ticks == keep])
