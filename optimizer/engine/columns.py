"""Read and check columns of a data frame."""

from typing import Any

import narwhals as nw
import numpy as np

from .pricing_arrays import Floats


class FrameError(ValueError):
    """Say which column and row of a frame is wrong, and how to mend it."""


def require_columns(frame: nw.DataFrame[Any], names: tuple[str, ...]) -> None:
    """Check that the columns are there.

    Raises:
        FrameError: one is missing; the message names it and the columns that are needed.
    """
    for name in names:
        if name not in frame.columns:
            raise FrameError(f"column {name!r} is missing; give the columns {', '.join(names)}")


def numbers(frame: nw.DataFrame[Any], name: str) -> Floats:
    """Return a column as (row,) float64, with NaN where the value is missing.

    Raises:
        FrameError: the column holds text or anything else that is no number.
    """
    column = frame[name]
    if column.dtype.is_numeric() or column.dtype in (nw.Object, nw.Unknown) or column.is_null().all():
        try:
            return np.array(column.cast(nw.Float64).to_numpy(), dtype=np.float64)
        except (TypeError, ValueError):
            pass
    raise FrameError(f"column {name!r} holds {column.dtype}{_first_text(column)}; convert it to numbers")


def _first_text(column: nw.Series[Any]) -> str:
    for row, value in enumerate(column.to_list()):
        if isinstance(value, str):
            return f" (row {row}: {value!r})"
    return ""


def numbers_or(frame: nw.DataFrame[Any], name: str, default: float) -> Floats:
    """Return an optional column as (row,) float64; the default where the column is absent."""
    return numbers(frame, name) if name in frame.columns else np.full(len(frame), default)


def check_domain(name: str, values: Floats, wrong: np.ndarray[Any, np.dtype[np.bool_]], cure: str) -> None:
    """Check that no row is wrong.

    Raises:
        FrameError: some row is; the message names the column, the first such row, its value, and the cure.
    """
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise FrameError(f"column {name!r}, row {rows[0]}: {values[rows[0]]}; {cure}")


def endings(frame: nw.DataFrame[Any], name: str) -> list[tuple[str, ...] | None]:
    """Return a column of price endings: lists, or text such as `99,49`; None where there is no override.

    Raises:
        FrameError: a value is neither.
    """
    return [_ending(value, name, row) for row, value in enumerate(frame[name].to_list())]


def _ending(value: Any, name: str, row: int) -> tuple[str, ...] | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    parts = value.split(",") if isinstance(value, str) else list(value)
    cleaned = tuple(str(part).strip() for part in parts if str(part).strip())
    if not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in cleaned):
        raise FrameError(f"column {name!r}, row {row}: {value!r}; give one to four digits each, such as '99,49'")
    return cleaned
