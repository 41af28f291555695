"""What a price bandit has seen, as whole numbers: decisions, purchases and rejections by epoch, context and arm."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
FORMAT: Final = 1
MAX_NEW_EPOCHS: Final = 100_000
"""A batch may not reach further ahead: a wrong clock would fill the memory with empty epochs."""


@dataclass
class OutcomeCounts:
    """Count what was decided and what came of it; the whole state of every policy.

    An epoch is a stretch of time, numbered by the caller, such as an hour or a thousand decisions. An outcome counts in
    the epoch of its **decision**, whenever it arrives. Counts are whole numbers, so they are the same for the same set
    of outcomes in any order and any batches, and counts of two consumers add up exactly; and since every posterior is a
    function of the counts, so is it, bit for bit.

    Attributes:
        first_epoch: epoch of row 0.
        decided: (epoch, context, arm) int64 decisions.
        purchases: (epoch, context, arm) int64 outcomes that were purchases.
        rejections: (epoch, context, arm) int64 outcomes that were rejections.
    """

    first_epoch: int
    decided: Ints
    purchases: Ints
    rejections: Ints

    @classmethod
    def empty(cls, contexts: int, arms: int, *, first_epoch: int = 0) -> "OutcomeCounts":
        """Return counts of nothing yet. Raises ValueError where a size is less than 1."""
        if contexts < 1 or arms < 1:
            raise ValueError(f"contexts is {contexts}, arms is {arms}: give at least 1 of each")
        return cls(first_epoch, *(np.zeros((1, contexts, arms), np.int64) for _ in range(3)))

    def record_decisions(self, contexts: ArrayLike, arms: ArrayLike, epochs: ArrayLike) -> None:
        """Count decisions: (decision,) int context, arm and epoch. Epochs before the first one count in the first."""
        self._add(contexts, arms, epochs, None)

    def learn(self, contexts: ArrayLike, arms: ArrayLike, purchased: ArrayLike, epochs: ArrayLike) -> None:
        """Count outcomes, each once: the caller removes duplicates.

        Args:
            contexts: (outcome,) int, 0 to contexts − 1.
            arms: (outcome,) int, 0 to arms − 1.
            purchased: (outcome,) bool.
            epochs: (outcome,) int epoch of the decision, or one for all; before the first one: counts in the first.

        Raises:
            ValueError: an index is out of range, or ``purchased`` is no bool; nothing was counted then.
        """
        bought = np.asarray(purchased)
        if bought.dtype != np.bool_:
            raise ValueError(f"purchased is {bought.dtype}: give bool, True for a purchase")
        self._add(contexts, arms, epochs, bought)

    def _add(self, contexts: ArrayLike, arms: ArrayLike, epochs: ArrayLike, bought: NDArray[np.bool_] | None) -> None:
        context, arm, epoch = (np.asarray(values) for values in (contexts, arms, epochs))
        _, width, depth = self.decided.shape
        if context.size == 0:
            return
        for name, index, size in (("contexts", context, width), ("arms", arm, depth)):
            if index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= size:
                raise ValueError(f"{name} must be whole numbers from 0 to {size - 1}")
        if epoch.dtype.kind not in "iu" or epoch.max() >= self.end_epoch + MAX_NEW_EPOCHS:
            raise ValueError(f"epochs must be whole numbers below {self.end_epoch + MAX_NEW_EPOCHS}")
        row = np.maximum(epoch.astype(np.int64) - self.first_epoch, 0)
        low, rows = int(row.min()), int(row.max()) - int(row.min()) + 1
        flat = ((row - low) * width + context) * depth + arm
        size = rows * width * depth
        if bought is None:
            added = [(self._grown("decided", low + rows), np.bincount(flat, minlength=size))]
        else:
            both = np.bincount(2 * flat + bought, minlength=2 * size).reshape(-1, 2)
            added = [
                (self._grown("purchases", low + rows), both[:, 1]),
                (self._grown("rejections", low + rows), both[:, 0]),
            ]
        for counts, news in added:
            counts[low : low + rows] += news.reshape(rows, width, depth)

    def _grown(self, name: str, rows: int) -> Ints:
        """Return the named array after all three were given at least so many epochs."""
        if rows > len(self.decided):
            for each in ("decided", "purchases", "rejections"):
                old: Ints = getattr(self, each)
                setattr(self, each, np.concatenate([old, np.zeros((rows - len(old), *old.shape[1:]), np.int64)]))
        grown: Ints = getattr(self, name)
        return grown

    @property
    def end_epoch(self) -> int:
        """The epoch after the last one."""
        return self.first_epoch + len(self.decided)

    def up_to(self, epoch: int) -> "OutcomeCounts":
        """Return a view of the epochs up to this one; the first is always there."""
        rows = max(epoch - self.first_epoch + 1, 1)
        return OutcomeCounts(self.first_epoch, self.decided[:rows], self.purchases[:rows], self.rejections[:rows])

    def drop_before(self, epoch: int) -> None:
        """Forget all epochs before this one; an outcome that still comes for them counts in the first that is left."""
        self._cut(epoch, merge=False)

    def merge_before(self, epoch: int) -> None:
        """Add all epochs before this one to it: nothing is lost but when it was."""
        self._cut(epoch, merge=True)

    def _cut(self, epoch: int, *, merge: bool) -> None:
        rows = epoch - self.first_epoch
        if rows <= 0:
            return
        for name in ("decided", "purchases", "rejections"):
            old: Ints = getattr(self, name)
            kept = old[rows:].copy() if rows < len(old) else np.zeros((1, *old.shape[1:]), np.int64)
            if merge:
                kept[0] += old[:rows].sum(axis=0)
            setattr(self, name, kept)
        self.first_epoch = epoch

    def __add__(self, other: "OutcomeCounts") -> "OutcomeCounts":
        """Return the counts of both, exactly. Raises ValueError where contexts, arms or first epochs differ."""
        if self.decided.shape[1:] != other.decided.shape[1:] or self.first_epoch != other.first_epoch:
            raise ValueError("counts to be added need the same contexts, arms and first epoch")
        rows = max(len(self.decided), len(other.decided))
        total = OutcomeCounts.empty(*self.decided.shape[1:], first_epoch=self.first_epoch)
        for name in ("decided", "purchases", "rejections"):
            summed = total._grown(name, rows)
            for part in (getattr(self, name), getattr(other, name)):
                summed[: len(part)] += part
        return total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OutcomeCounts) and self.to_json() == other.to_json()

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain lists and numbers, ready for `json.dumps`."""
        return {
            "format": FORMAT,
            "first_epoch": self.first_epoch,
            "decided": self.decided.tolist(),
            "purchases": self.purchases.tolist(),
            "rejections": self.rejections.tolist(),
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "OutcomeCounts":
        """Return the counts of `to_json`. Raises ValueError naming what is wrong with them."""
        if state.get("format") != FORMAT:
            raise ValueError(f"format is {state.get('format')!r}: this version reads {FORMAT}")
        first_epoch = state.get("first_epoch")
        if not isinstance(first_epoch, int) or isinstance(first_epoch, bool):
            raise ValueError("first_epoch must be a whole number")
        arrays = []
        for name in ("decided", "purchases", "rejections"):
            try:
                counts = np.array(state.get(name))
            except ValueError:
                counts = np.empty(0)
            if counts.ndim != 3 or counts.dtype.kind != "i" or counts.size == 0 or counts.min() < 0:
                raise ValueError(f"{name} must be whole numbers ≥ 0 by epoch, context and arm")
            arrays.append(counts.astype(np.int64))
        if len({counts.shape for counts in arrays}) > 1:
            raise ValueError("decided, purchases and rejections must have the same shape")
        return cls(first_epoch, *arrays)
