"""Switchbacks: everybody sees the same arm, which changes from slot to slot; after a change, wash-out.

The arm of a slot is `catalog.arms.slot_arm`, which the storefront draws by as well: over as many weeks as there are
equal arms, every slot of the week (day and hour) has each arm once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalog.arms import WEEK_SECONDS, slot_arm
from experiments.stats.designs.hashing import Floats, Ints, require_shares


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hold the slots of a switchback in order of time.

    Args:
        slot: (slot,) int64, Unix time over the slot's length.
        start: (slot,) int64, Unix time at which it begins.
        arm: (slot,) int64, index of the arm.
        counted_seconds: (slot,) int64, what is left of it after the wash-out; 0 of a slot that the experiment cuts.
    """

    slot: Ints
    start: Ints
    arm: Ints
    counted_seconds: Ints

    def arm_shares(self, arms: int) -> Floats:
        """Return each arm's share of the counted time: (arm,) float64."""
        totals = np.bincount(self.arm, weights=self.counted_seconds, minlength=arms)
        shares: Floats = totals / max(totals.sum(), 1)
        return shares

    def imbalance(self, arms: int) -> float:
        """Return the largest gap between arms in one slot of the week, in slots; 0 over whole rounds of weeks."""
        length = int(self.start[1] - self.start[0]) if len(self.start) > 1 else WEEK_SECONDS
        whole = self.counted_seconds > 0
        block = self.start[whole] % WEEK_SECONDS // length
        table = np.zeros((WEEK_SECONDS // length + 1, arms))
        np.add.at(table, (block, self.arm[whole]), 1)
        return float((table.max(axis=1) - table.min(axis=1)).max(initial=0.0))


def schedule(
    salt: str, *, begins: float, ends: float, slot_seconds: int, washout_seconds: int, shares: Sequence[int]
) -> Schedule:
    """Return the slots between two moments.

    A slot that begins before the experiment does, or ends after it, is served and not counted.

    Args:
        begins, ends: Unix time.
        slot_seconds: >= 60.
        washout_seconds: >= 0, below the slot's length: what happens this soon after a slot begins is not counted.
        shares: (arm,) basis points, > 0, summing to 10,000.

    Raises:
        ValueError: an end before the beginning, slots too short, or a wash-out that leaves nothing.

    Source: Bojinov, Simchi-Levi & Zhao (2023) for switchbacks; blocks by slot of the week against weekly seasons.
    """
    require_shares(shares)
    if not begins < ends:
        raise ValueError(f"ends: got {ends:g}, not after {begins:g}; give a later end")
    if slot_seconds < 60 or not 0 <= washout_seconds < slot_seconds:
        raise ValueError(
            f"washout_seconds: got {washout_seconds} of {slot_seconds} s; give less than the slot's length"
        )
    slots = np.arange(int(begins // slot_seconds), int(-(-ends // slot_seconds)), dtype=np.int64)
    start = slots * slot_seconds
    whole = (start >= begins) & (start + slot_seconds <= ends)
    arm = np.fromiter((slot_arm(salt, slot, slot_seconds, shares) for slot in slots.tolist()), dtype=np.int64)
    return Schedule(slots, start, arm, np.where(whole, slot_seconds - washout_seconds, 0))
