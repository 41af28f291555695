"""Feature values with the times they are of, as arrays or as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.features.definitions import COLUMNS, GROUPS, NAMES, TIMES

if TYPE_CHECKING:
    import polars as pl

PLACE = {name: place for place, name in enumerate(COLUMNS)}


@dataclass(frozen=True)
class FeatureRows:
    """Some features of some listings.

    Attributes:
        names: the features, in the order of ``values``.
        values: (row, feature) float64, NaN where not known.
        at: (row,) float64 seconds since 1970: the moment that the row is of; NaN where there is no such listing.
        group_times: (row, group) float64 seconds since 1970, in the order of ``GROUPS``: when its facts were so.
    """

    names: tuple[str, ...]
    values: np.ndarray
    at: np.ndarray
    group_times: np.ndarray

    @classmethod
    def of(cls, records: np.ndarray, names: Sequence[str] | None = None) -> FeatureRows:
        """Take the named features, or all, out of (row, column) records.

        Raises:
            ValueError: there is no such feature.
        """
        if names is None:
            return cls(NAMES, records[:, TIMES:], records[:, 0], records[:, 1:TIMES])
        _refuse_unknown(names)
        places = [PLACE[name] for name in names]
        return cls(tuple(names), records[:, places], records[:, 0], records[:, 1:TIMES])

    def frame(self, keys: Mapping[str, Iterable[object]]) -> pl.DataFrame:
        """Return a polars table: the keys, ``at``, features as float64 with NaN, ``<group>_at`` with null."""
        import polars as pl

        return pl.DataFrame(
            {name: list(column) for name, column in keys.items()}
            | {"at": _instants(self.at)}
            | {name: np.ascontiguousarray(self.values[:, place]) for place, name in enumerate(self.names)}
            | {f"{group.name}_at": _instants(self.group_times[:, place]) for place, group in enumerate(GROUPS)}
        )


def _refuse_unknown(names: Sequence[str]) -> None:
    if isinstance(names, str):
        raise ValueError(f"features: give a list of names, such as [{names!r}], not one text")
    if unknown := [name for name in names if name not in NAMES]:
        raise ValueError(f"features: no such feature: {', '.join(unknown)}; docs/features.md lists them")


def _instants(seconds: np.ndarray) -> pl.Series:
    import polars as pl

    known = np.isfinite(seconds)
    micros = np.where(known, np.round(np.where(known, seconds, 0.0) * 1e6), 0.0).astype(np.int64)
    instants = pl.Series(micros).cast(pl.Datetime("us", "UTC"))
    return pl.select(pl.when(pl.Series(known)).then(instants)).to_series()
