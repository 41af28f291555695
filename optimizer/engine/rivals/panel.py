"""Our prices and rivals' offers over time."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import Ints

from ..pricing_arrays import Floats

MOST_AGE: Final = 2.0
MOST_FACTOR: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class RivalPanel:
    """Hold one row a pair of product and rival, and period, such as a day; periods of a pair rise.

    Args:
        pair: (row,) int64 from 0; rows of a pair lie together.
        rival: (pair,) int64 from 0, whose offers a pair's are.
        period: (row,) int64.
        own, theirs: (row,) float64, ln of the prices in force at the end of the period.
        age: (row,) float64, periods since the offer was last seen; None: all are fresh.

    Raises:
        ValueError: arrays that do not go together; the message names the one and the cure.
    """

    pair: Ints
    rival: Ints
    period: Ints
    own: Floats
    theirs: Floats
    age: Floats | None = None

    def __post_init__(self) -> None:
        rows = len(self.pair)
        for name in ("period", "own", "theirs", "age"):
            values = getattr(self, name)
            if values is not None and values.shape != (rows,):
                raise ValueError(f"{name}: got shape {values.shape}; give ({rows},), one value a row of pair")
        if rows and (self.pair.min() < 0 or self.pair.max() >= len(self.rival)):
            raise ValueError(f"pair: give 0 to {len(self.rival) - 1}, an entry of rival each")
        same = self.pair[1:] == self.pair[:-1]
        if ((self.pair[1:] < self.pair[:-1]) | (same & (self.period[1:] <= self.period[:-1]))).any():
            raise ValueError("pair, period: give rows sorted by pair, then by period, each period once")

    def __len__(self) -> int:
        return len(self.pair)

    def usable(self) -> "RivalPanel":
        """Return the rows without offers that are stale, or so far from our price that they are another product's."""
        kept: NDArray[np.bool_] = np.isfinite(self.own) & np.isfinite(self.theirs)
        kept &= np.abs(self.theirs - self.own) <= np.log(MOST_FACTOR)
        if self.age is not None:
            kept &= self.age <= MOST_AGE
        return RivalPanel(
            pair=self.pair[kept],
            rival=self.rival,
            period=self.period[kept],
            own=self.own[kept],
            theirs=self.theirs[kept],
            age=None if self.age is None else self.age[kept],
        )
