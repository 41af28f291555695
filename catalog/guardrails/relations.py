"""What the prices of related SKUs must keep, and by how much they miss it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .rules import BASIS, Rule

RELATIONS: Final = (Rule.FAMILY, Rule.SIZE_LADDER, Rule.QUALITY_LADDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Hold a member's place in a ladder; a family asks for nothing.

    Args:
        size: pack size in any whole unit, > 0, the same unit in the whole ladder; 0 where it is no size ladder.
        step_ticks: quality ladders: the next member costs at least so much more, ticks, ≥ 0; one tick in any case.
        step_bp: or so many basis points more, ≥ 0.
    """

    size: int = 0
    step_ticks: int = 0
    step_bp: int = 0


def relation_shortfalls(rule: Rule, places: Sequence[Place], prices: Sequence[int]) -> list[int]:
    """Return the ticks by which each pair of neighbours misses its relation; 0 where it is kept.

    Family: |p − q|. Size ladder, sizes rising: p ≤ q and p/size ≥ q/size. Quality ladder, from good to best:
    p + max(1, step) ≤ q. The shortfall is how far p would have to move while q stands.

    Args:
        rule: one of `RELATIONS`.
        places: members in the order of the ladder.
        prices: their prices, ticks, > 0.
    """
    pairs = zip(places[:-1], places[1:], prices[:-1], prices[1:], strict=True)
    return [pair_shortfall(rule, *pair) for pair in pairs]


def pair_shortfall(rule: Rule, lower: Place, upper: Place, price: int, next_price: int) -> int:
    """Return the ticks by which one pair of neighbours misses its relation."""
    if rule == Rule.FAMILY:
        return abs(price - next_price)
    if rule == Rule.SIZE_LADDER:
        least = -(-next_price * lower.size // upper.size)
        return max(0, least - price) + max(0, price - next_price)
    most = min(next_price - max(1, lower.step_ticks), next_price * BASIS // (BASIS + lower.step_bp))
    return max(0, price - most)


def pair_binds(rule: Rule, lower: Place, upper: Place, price: int, next_price: int) -> bool:
    """Tell whether a pair keeps its relation so narrowly that a tick more or less of one price would break it."""
    if pair_shortfall(rule, lower, upper, price, next_price):
        return False
    moves = ((1, 0), (-1, 0), (0, 1), (0, -1))
    return any(pair_shortfall(rule, lower, upper, price + own, next_price + other) for own, other in moves)
