"""Prices of related SKUs, chosen together: families, size ladders and quality ladders.

A family has one price. In a quality ladder each member costs more than the one before, by at least a step. In a size
ladder no larger pack is dearer per unit than a smaller one, and none is cheaper in total. Solved for many groups of the
same number of members at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import torch
from torch import Tensor

from catalog.guardrails import BASIS, Ints

from .chunks import run_side_by_side
from .pricing_arrays import Floats
from .range_best import NOWHERE, RangeBest

PADDING: Final = 10**14
"""A tick beyond every price: fills up rows that have fewer candidates than others."""

ENTRIES_AT_A_TIME: Final = 1 << 16
"""Candidates of one member at a time: in the processor's cache; 100,000 groups took 8 s so, 10 s with 1 << 21."""


class Ladder(Protocol):
    """What neighbours in a ladder must keep: given the upper one's price, an interval of the lower one's."""

    def limits(self, pair: int, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lowest and the highest price of member `pair` while member `pair + 1` costs (group, k) ticks."""

    def rows(self, rows: slice) -> "Ladder":
        """Return the ladder of some of the groups."""


@dataclass(frozen=True, slots=True)
class QualityLadder:
    """Hold quality ladders: p[i+1] ≥ p[i] + max(1, amount[i]) and p[i+1] ≥ p[i]·(1 + rate[i]).

    Args:
        amount: (group, member - 1) int64 ticks, ≥ 0.
        rate_bp: (group, member - 1) int64 basis points, ≥ 0.
    """

    amount: Tensor
    rate_bp: Tensor

    def limits(self, pair: int, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Return (0, the highest price that leaves the step)."""
        by_amount = upper - torch.clamp(self.amount[:, pair, None], min=1)
        by_rate = torch.div(upper * BASIS, BASIS + self.rate_bp[:, pair, None], rounding_mode="floor")
        return torch.zeros_like(upper), torch.minimum(by_amount, by_rate)

    def rows(self, rows: slice) -> "QualityLadder":
        """Return the ladder of some of the groups."""
        return QualityLadder(self.amount[rows], self.rate_bp[rows])


@dataclass(frozen=True, slots=True)
class SizeLadder:
    """Hold size ladders: p[i]/size[i] ≥ p[i+1]/size[i+1] and p[i] ≤ p[i+1].

    Args:
        size: (group, member) int64, pack sizes in any whole unit, rising, below 10⁹.
    """

    size: Tensor

    def limits(self, pair: int, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Return (⌈p·size[i]/size[i+1]⌉, p): multiplied out in two parts, so that nothing overflows."""
        small, large = self.size[:, pair, None], self.size[:, pair + 1, None]
        whole, rest = torch.div(upper, large, rounding_mode="floor"), upper % large
        return whole * small - torch.div(-rest * small, large, rounding_mode="floor"), upper

    def rows(self, rows: slice) -> "SizeLadder":
        """Return the ladder of some of the groups."""
        return SizeLadder(self.size[rows])


@dataclass(frozen=True, slots=True)
class JointPrices:
    """Hold the prices of (group,) groups.

    Args:
        price: (group, member) int64 ticks.
        score: (group,) float64, the sum of the members' scores at these prices.
        shortfall: (group, member - 1) int64 ticks by which each pair of neighbours misses its relation; 0: kept.
    """

    price: Ints
    score: Floats
    shortfall: Ints


def solve_ladders(ticks: Ints, score: Floats, ladder: Ladder) -> JointPrices:
    """Choose a candidate price for each member: the highest sum of scores among those that keep the ladder.

    max Σᵢ score[i](p[i]) subject to low(p[i+1]) ≤ p[i] ≤ high(p[i+1]), by dynamic programming along the chain; exact.
    A ladder that no candidates keep gets as near as it can: the least sum of `shortfall`, and of those prices the
    highest sum of scores. The candidates, and so the guardrails that they keep, are never left.

    Args:
        ticks: (group, member, k) int64, candidate prices of each member, rising; `PADDING` behind the last one.
        score: (group, member, k) float64, expected objective at each candidate.
        ladder: the relation, one row a group.

    Returns:
        One price a member. Of equal sums the one with the lower prices, last member first.

    Raises:
        ValueError: a member has no candidate; leave its group out, or give the price that it has.

    Source: Bellman (1957), ch. 1.
    """
    if (ticks[..., 0] >= PADDING).any():
        raise ValueError("a member has no candidate; leave its group out, or give the price that it has")
    groups, members, width = ticks.shape
    price, total = np.empty((groups, members), dtype=np.int64), np.empty(groups)
    shortfall = np.empty((groups, members - 1), dtype=np.int64)

    def solve(rows: slice) -> None:
        chosen = torch.from_numpy(ticks[rows]), torch.from_numpy(score[rows])
        found = _solve_rows(*chosen, ladder.rows(rows))
        price[rows], total[rows], shortfall[rows] = (part.numpy() for part in found)

    run_side_by_side(groups, max(1, ENTRIES_AT_A_TIME // width), solve)
    return JointPrices(price, total, shortfall)


def shortfalls(price: Tensor, ladder: Ladder) -> Tensor:
    """Return (group, member - 1) int64 ticks by which each pair of neighbours misses the ladder."""
    columns = [price.new_zeros((len(price), 0))]
    for pair in range(price.shape[1] - 1):
        low, high = ladder.limits(pair, price[:, pair + 1, None])
        lower = price[:, pair, None]
        columns.append(torch.clamp(low - lower, min=0) + torch.clamp(lower - high, min=0))
    return torch.cat(columns, dim=1)


def _solve_rows(ticks: Tensor, score: Tensor, ladder: Ladder) -> tuple[Tensor, Tensor, Tensor]:
    real = ticks < PADDING
    score = torch.where(real, score, -torch.inf)
    missing = torch.where(real, 0, NOWHERE)
    chosen = _along_the_chain(ticks, score, missing, ladder, _kept)
    broken = torch.nonzero(chosen[0] >= NOWHERE).flatten()
    if len(broken):
        part = _along_the_chain(ticks, score, missing, ladder, _nearest, broken)
        chosen[1][broken] = part[1]
    where = chosen[1]
    price = ticks.gather(2, where[..., None])[..., 0]
    return price, score.gather(2, where[..., None])[..., 0].sum(1), shortfalls(price, ladder)


Entry = tuple[Tensor, Tensor, Tensor]
Transition = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Entry]


def _along_the_chain(
    ticks: Tensor, score: Tensor, missing: Tensor, ladder: Ladder, transition: Transition, only: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return each group's (group,) shortfall and the (group, member) positions of its best candidates."""
    rows = slice(None) if only is None else only
    best, short, came_from = score[rows, 0], missing[rows, 0], []
    for pair in range(ticks.shape[1] - 1):
        low, high = (limit[rows] for limit in ladder.limits(pair, ticks[:, pair + 1]))
        short, best, where = transition(ticks[rows, pair].contiguous(), short, best, low, high)
        came_from.append(where)
        short = torch.clamp(short + missing[rows, pair + 1], max=NOWHERE)
        best = best + score[rows, pair + 1]
    last = RangeBest.build(short, best)
    everything = torch.zeros((len(best), 1), dtype=torch.int64, device=best.device)
    least, _, where = last.best(everything, everything + best.shape[1])
    path = [where]
    for previous in reversed(came_from):
        path.append(previous.gather(1, path[-1]))
    return least[:, 0], torch.cat(path[::-1], dim=1)


def _kept(ticks: Tensor, short: Tensor, best: Tensor, low: Tensor, high: Tensor) -> Entry:
    """Return the best predecessor of each candidate among those that keep the ladder."""
    first, last = _places(ticks, low, high)
    return RangeBest.build(short, best).best(first, last)


def _places(ticks: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the candidates from `low` on begin, and where those up to `high` end."""
    return (
        torch.searchsorted(ticks, low.contiguous()),
        torch.searchsorted(ticks, high.contiguous(), right=True),
    )


def _nearest(ticks: Tensor, short: Tensor, best: Tensor, low: Tensor, high: Tensor) -> Entry:
    """Return the best predecessor of each candidate, those that miss the ladder charged with what they miss."""
    first, last = _places(ticks, low, high)
    last = torch.maximum(first, last)
    start, end = torch.zeros_like(first), torch.full_like(first, ticks.shape[1])
    below = RangeBest.build(short - ticks, best).best(start, first)
    inside = RangeBest.build(short, best).best(first, last)
    above = RangeBest.build(short + ticks, best).best(last, end)
    charged = [
        (torch.where(below[0] < NOWHERE // 2, below[0] + low, NOWHERE), *below[1:]),
        inside,
        (torch.where(above[0] < NOWHERE // 2, above[0] - high, NOWHERE), *above[1:]),
    ]
    chosen = charged[0]
    for other in charged[1:]:
        worse = (other[0] < chosen[0]) | ((other[0] == chosen[0]) & (other[1] > chosen[1]))
        short, best, where = (torch.where(worse, new, old) for new, old in zip(other, chosen, strict=True))
        chosen = short, best, where
    return chosen


def solve_families(ticks: Ints, score: Floats) -> JointPrices:
    """Choose the one price of each family: the candidate with the highest sum of its members' scores.

    Args:
        ticks: (group, k) int64, prices that every member may take, rising; `PADDING` behind the last one.
        score: (group, member, k) float64, expected objective of each member at each price.

    Returns:
        The same price for each member of a group; of equal sums the lowest.

    Raises:
        ValueError: a family has no common candidate; give it the price of `nearest_common`.
    """
    if (ticks[:, 0] >= PADDING).any():
        raise ValueError("a family has no common candidate; give it the price of nearest_common")
    total = np.where(ticks < PADDING, score.sum(axis=1), -np.inf)
    best = total.argmax(axis=1)
    rows, members = np.arange(len(ticks)), score.shape[1]
    price = np.repeat(ticks[rows, best][:, None], members, axis=1)
    return JointPrices(price, total[rows, best], np.zeros((len(ticks), members - 1), dtype=np.int64))


def nearest_common(lower: Ints, upper: Ints, hard_lower: Ints, hard_upper: Ints) -> Ints:
    """Return the prices of families whose members' bands have no price in common.

    The price that every member's hard rules allow, with the least sum of distances to the members' bands: the median
    of the ends of the bands, moved into the intersection of the hard intervals. Where those do not meet either, every
    member gets the price of its hard interval that is nearest to the median of their ends: the least sum of distances.

    Args:
        lower, upper: (group, member) int64 ticks, the band of all rules.
        hard_lower, hard_upper: (group, member) int64 ticks, the interval of the hard rules; the band is inside it.

    Returns:
        (group, member) int64 ticks; equal within a group wherever its hard rules meet.
    """
    common_low, common_high = hard_lower.max(axis=1, keepdims=True), hard_upper.min(axis=1, keepdims=True)
    wanted = np.clip(_median_end(lower, upper), common_low, np.maximum(common_low, common_high))
    target = np.where(common_low <= common_high, wanted, _median_end(hard_lower, hard_upper))
    return np.clip(target, hard_lower, hard_upper)


def _median_end(lower: Ints, upper: Ints) -> Ints:
    """Return (group, 1) int64, the lower median of the ends: nearest in sum to the intervals."""
    ends = np.sort(np.concatenate([lower, upper], axis=1), axis=1)
    return ends[:, lower.shape[1] - 1, None]
