"""Numbers by SKU and week from a file: what moved prices, or what else moved demand."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

KEYS = ("sku", "week")


class SkuWeekFileError(ValueError):
    """The file cannot be read; the message names the row and the cure. Nothing of it is used."""


@dataclass(frozen=True)
class SkuWeeks:
    """Hold values by (SKU, Monday of the week), a list of one for each of ``names``."""

    names: tuple[str, ...]
    values: dict[tuple[str, date], list[float]]


def read_sku_weeks(path: Path) -> SkuWeeks:
    """Read a CSV file with the columns ``sku``, ``week`` (any day of it, such as 2011-01-03), and others of numbers.

    Raises:
        SkuWeekFileError: it is no such file, lacks a column, has a SKU and week twice, or a value that is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _read(path, csv.reader(file))
    except OSError as error:
        raise SkuWeekFileError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SkuWeekFileError(f"{path}: not a readable CSV file ({error}); save it as UTF-8") from error


def _read(path: Path, rows: Iterator[list[str]]) -> SkuWeeks:
    header = [name.strip() for name in next(rows, [])]
    names = tuple(name for name in header if name not in KEYS)
    missing = [key for key in KEYS if key not in header]
    if missing or not names or len(set(header)) != len(header):
        found = ", ".join(header) or "nothing"
        raise SkuWeekFileError(f"{path}: the header is {found}; give sku, week and a column for each number, once")
    values: dict[tuple[str, date], list[float]] = {}
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != len(header):
            raise SkuWeekFileError(f"{path}: row {number} has {len(row)} values, the header {len(header)}")
        texts = dict(zip(header, map(str.strip, row), strict=True))
        key = (texts["sku"], _monday(path, number, texts["week"]))
        if key in values:
            raise SkuWeekFileError(f"{path}: row {number} gives SKU {key[0]} and the week of {key[1]} again")
        values[key] = [_number(path, number, name, texts[name]) for name in names]
    if not values:
        raise SkuWeekFileError(f"{path}: the file has a header but no rows")
    return SkuWeeks(names, values)


def _monday(path: Path, number: int, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        message = f"{path}: row {number}: week {text[:40]!r} is no date; give one such as 2011-01-03"
        raise SkuWeekFileError(message) from None
    return day - timedelta(days=day.weekday())


def _number(path: Path, number: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SkuWeekFileError(f"{path}: row {number}: {name} {text[:40]!r} is no number; leave out rows without one")
    return value
