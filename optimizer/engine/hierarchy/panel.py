"""Demand of many series over time, with what drives it."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.guardrails import Ints

Rows = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class SeriesPanel:
    """Hold the rows of every series, one series after the other.

    Args:
        features: (row, feature) float32 or float64: log price, promotion, season and what else drives demand; without
            a column of ones. Give each around a value that means something, such as the series' mean: coefficients are
            compared between series.
        names: a name for each feature.
        target: (row,) of the same type: ln units; for a likelihood of counts, units.
        start: (series + 1,) int64, the row at which each series begins, and the number of rows.
        parents: what the series belong to, narrow to wide: (series,) int64 indices of, say, categories, then
            (category,) indices of departments. Empty: all series belong to one population.
        censored: (row,) bool, weeks whose demand was at least the target, such as those that ended out of stock.
        groups: how many categories, departments and so on there are; counted from ``parents`` where not given.

    Raises:
        ValueError: shapes or types that do not go together; the message says what to give. Whether the values are
            finite is seen by whoever reads them all.
    """

    features: Rows
    names: tuple[str, ...]
    target: Rows
    start: Ints
    parents: tuple[Ints, ...] = ()
    censored: NDArray[np.bool_] | None = None
    groups: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        rows = len(self.target)
        if self.features.shape != (rows, len(self.names)) or self.features.dtype != self.target.dtype:
            raise ValueError(
                f"features: got {self.features.dtype}{self.features.shape}; give {self.target.dtype} of shape "
                f"{(rows, len(self.names))}: a row for each of target, a column for each of names"
            )
        if len(self.start) < 2 or self.start[0] != 0 or self.start[-1] != rows or (np.diff(self.start) < 0).any():
            raise ValueError(f"start: give series + 1 row numbers that begin with 0, rise, and end with {rows}")
        if self.censored is not None and (self.censored.shape != (rows,) or self.censored.dtype != np.bool_):
            raise ValueError(f"censored: got {self.censored.dtype}{self.censored.shape}; give bool of shape {(rows,)}")
        if not self.groups:
            counted = tuple(int(parent.max()) + 1 if len(parent) else 0 for parent in self.parents)
            object.__setattr__(self, "groups", counted)
        below = len(self)
        for level, (parent, count) in enumerate(zip(self.parents, self.groups, strict=True)):
            if parent.shape != (below,) or (below and not 0 <= parent.min() <= parent.max() < count):
                raise ValueError(
                    f"parents[{level}]: got shape {parent.shape}; give ({below},) indices from 0 to {count - 1}"
                )
            below = count

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.start) - 1

    @cached_property
    def series(self) -> Ints:
        """Return the series of each row, (row,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    def of(self, chosen: Ints) -> "SeriesPanel":
        """Return the rows of some series, (series,) numbers that rise; categories and above keep their numbers."""
        size = np.diff(self.start)[chosen]
        start = np.append(0, np.cumsum(size))
        rows = np.arange(start[-1]) + np.repeat(self.start[chosen] - start[:-1], size)
        first = (np.asarray(self.parents[0])[chosen],) if self.parents else ()
        return replace(
            self,
            features=self.features[rows],
            target=self.target[rows],
            start=start,
            parents=(*first, *self.parents[1:]),
            censored=None if self.censored is None else self.censored[rows],
        )

    @classmethod
    def dense(cls, features: Rows, target: Rows, names: tuple[str, ...], **more: Any) -> "SeriesPanel":
        """Make a panel of (series, week, feature) features and (series, week) targets, without copying them."""
        series, weeks, columns = features.shape
        return cls(
            features=features.reshape(series * weeks, columns),
            target=target.reshape(series * weeks),
            names=names,
            start=np.arange(series + 1, dtype=np.int64) * weeks,
            **more,
        )
