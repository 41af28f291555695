"""Price endings: the nearest price in a band whose last digits are allowed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from .arrays import Ints
from .band import Band
from .rules import UNBOUNDED


@dataclass(frozen=True, slots=True)
class EndingTable:
    """Hold, for each set of endings and each residue of a price, how far the nearest allowed endings are.

    Args:
        modulus: 10 to the length of the longest ending.
        up: (set, modulus) int64 ticks to the next allowed price at or above.
        down: (set, modulus) int64 ticks to the next allowed price at or below.
    """

    modulus: int
    up: Ints
    down: Ints

    @classmethod
    def build(cls, ending_sets: Sequence[tuple[str, ...]]) -> Self:
        """Return the table of some sets of endings; an empty set allows every price."""
        modulus = 10 ** max((len(ending) for each in ending_sets for ending in each), default=0)
        rows = [_ending_distances(each, modulus) for each in ending_sets]
        return cls(modulus, np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))

    def at_or_above(self, ticks: Ints, ending_set: Ints) -> Ints:
        """Return the lowest price with an allowed ending at or above `ticks`."""
        return ticks + self.up[ending_set, ticks % self.modulus]

    def at_or_below(self, ticks: Ints, ending_set: Ints) -> Ints:
        """Return the highest price with an allowed ending at or below `ticks`; below zero where there is none."""
        return ticks - self.down[ending_set, ticks % self.modulus]

    def sets_that_fit(self, lower: Ints, upper: Ints, ending_set: Ints) -> Ints:
        """Return `ending_set`, with 0 (any ending) where no allowed ending lies in the band."""
        return np.where(self.at_or_above(lower, ending_set) <= upper, ending_set, 0)


def place_ending(ticks: Ints, lower: Ints, upper: Ints, ending_set: Ints, table: EndingTable) -> Ints:
    """Return the allowed ending in the band nearest to `ticks`, the lower of two equally near."""
    fitting = table.sets_that_fit(lower, upper, ending_set)
    below, above = table.at_or_below(ticks, fitting), table.at_or_above(ticks, fitting)
    take_above = (below < lower) | ((above <= upper) & (above - ticks < ticks - below))
    return np.where(take_above, above, below)


def admissible_prices(band: Band, endings: Sequence[str] = ()) -> Iterator[int]:
    """Yield every price in the band with an allowed ending, rising; every tick of the band where no ending fits.

    Use it to check a price by brute force. The band must be bounded.

    Raises:
        ValueError: the band has no upper limit; give a ceiling, or a current price with a maximum change.
    """
    if band.upper >= UNBOUNDED:
        raise ValueError("the band has no upper limit; give a ceiling, or a current price with a maximum change")
    allowed = tuple(endings)
    fits = any(_has_ending(ticks, allowed) for ticks in range(band.lower, band.upper + 1))
    for ticks in range(band.lower, band.upper + 1):
        if not fits or _has_ending(ticks, allowed):
            yield ticks


def _ending_distances(endings: tuple[str, ...], modulus: int) -> tuple[Ints, Ints]:
    residues = np.arange(modulus, dtype=np.int64)
    if not endings:
        return np.zeros_like(residues), np.zeros_like(residues)
    allowed = np.array([_has_ending(int(residue), endings) for residue in residues])
    ends = residues[allowed]
    up = (ends[None, :] - residues[:, None]) % modulus
    return up.min(axis=1), ((-up) % modulus).min(axis=1)


def _has_ending(ticks: int, endings: tuple[str, ...]) -> bool:
    return not endings or any(ticks % 10 ** len(ending) == int(ending) for ending in endings)
