"""Read a transaction file (CSV or Parquet) into one checked frame, or say in one line what is wrong with it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl

COLUMNS: dict[str, pl.DataType] = {
    "InvoiceNo": pl.String(),
    "StockCode": pl.String(),
    "Description": pl.String(),
    "Quantity": pl.Int64(),
    "InvoiceDate": pl.Datetime("us"),
    "UnitPrice": pl.Float64(),
}
MAY_BE_EMPTY = {"Description"}
LARGEST = {"Quantity": 10_000_000, "UnitPrice": 10_000_000.0}
DATE_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
ROW = "row"  # 1 is the first row after the header
HEADER_BYTES = 65_536
FIRST_ROWS = 1_000
PARQUET_MAGIC = b"PAR1"
NOTHING_WRITTEN = "nothing was imported"


class SalesFileError(ValueError):
    """The file cannot be used; the message says why, where and what to do, in one line."""


def read_transactions(path: Path) -> pl.DataFrame:
    """Return the file's transactions with the columns of ``COLUMNS`` and a ``row`` number.

    Raises:
        SalesFileError: the file is missing, empty, not UTF-8, lacks a column, or has a value that is not of its
            column's type; the message names the row and the cure.
    """
    if not path.is_file():
        raise SalesFileError(f"{path}: no such file; {NOTHING_WRITTEN}")
    head = path.open("rb").read(HEADER_BYTES)
    if not head.strip():
        raise SalesFileError(f"{path}: the file is empty; {NOTHING_WRITTEN}")
    frame = _read_parquet(path) if head.startswith(PARQUET_MAGIC) else _read_csv(path, head)
    if frame.is_empty():
        raise SalesFileError(f"{path}: the file has a header but no rows; {NOTHING_WRITTEN}")
    return _typed_frame(path, frame)


def read_labels(path: Path, name: str) -> pl.Series:
    """Return a column of a file that `read_transactions` has read, as text in its order; empty text is null.

    Raises:
        SalesFileError: there is no such column.
    """
    is_parquet = path.open("rb").read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
    frame = pl.scan_parquet(path) if is_parquet else pl.scan_csv(path, infer_schema=False)
    found = frame.collect_schema().names()
    if name not in found:
        raise SalesFileError(f"{path}: there is no column {name[:40]!r} (found: {', '.join(found)[:200]})")
    labels = pl.col(name).cast(pl.String).str.strip_chars()
    return frame.select(pl.when(labels != "").then(labels).alias(name)).collect()[name]


def _typed_frame(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    frame = frame.with_row_index(ROW, offset=1)
    return frame.select(ROW, *(_typed(path, frame, name, kind) for name, kind in COLUMNS.items()))


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        names = pl.read_parquet_schema(path)
        _require_columns(path, list(names))
        return pl.read_parquet(path, columns=list(COLUMNS))
    except pl.exceptions.PolarsError as error:
        raise SalesFileError(
            f"{path}: not a readable Parquet file ({_first_line(error)}); {NOTHING_WRITTEN}"
        ) from error


def _read_csv(path: Path, head: bytes) -> pl.DataFrame:
    _require_columns(path, _csv_header(path, head))
    try:
        # A file of junk is refused by its first rows, before a gigabyte of it is read.
        _typed_frame(path, pl.read_csv(path, columns=list(COLUMNS), infer_schema=False, n_rows=FIRST_ROWS))
        return pl.read_csv(path, columns=list(COLUMNS), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        where = _first_row_that_is_not_utf8(path)
        if where is not None:
            raise SalesFileError(
                f"{path}: row {where} is not UTF-8; save the file as UTF-8; {NOTHING_WRITTEN}"
            ) from error
        raise SalesFileError(f"{path}: not a readable CSV file ({_first_line(error)}); {NOTHING_WRITTEN}") from error


def _csv_header(path: Path, head: bytes) -> list[str]:
    line = head.split(b"\n", 1)[0]
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SalesFileError(
            f"{path}: neither Parquet nor UTF-8 CSV; save the file as UTF-8; {NOTHING_WRITTEN}"
        ) from None
    return [name.strip().strip('"') for name in text.strip().split(",")]


def _require_columns(path: Path, found: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        shown = ", ".join(found)[:120]
        raise SalesFileError(
            f"{path}: the column {missing[0]} is missing (found: {shown}); the file needs "
            f"{', '.join(COLUMNS)}; {NOTHING_WRITTEN}"
        )


def _typed(path: Path, frame: pl.DataFrame, name: str, kind: pl.DataType) -> pl.Series:
    """Return one column in its type, or name the first row whose value is not of it."""
    column = frame[name].str.strip_chars() if frame.schema[name] == pl.String else frame[name]
    if column.dtype == pl.String and kind == pl.Datetime("us"):
        typed = _datetimes(column)
    else:
        typed = column.cast(kind, strict=False)
    bad = typed.is_null() | _outside(name, column, typed)
    if name in MAY_BE_EMPTY:
        bad &= typed.is_not_null()
    if bad.any():
        row = bad.arg_true()[0]
        found = column[row]
        what = "is empty" if found is None or found == "" else f"is {str(found)[:40]!r}, which is no {_words(kind)}"
        raise SalesFileError(
            f"{path}: row {row + 1}: {name} {what}; correct the row (at least {bad.sum()} such); {NOTHING_WRITTEN}"
        )
    return typed.alias(name)


def _outside(name: str, column: pl.Series, typed: pl.Series) -> pl.Series:
    """Return which values no shop has: not finite, huge, fractions of a unit, or NUL, which Postgres cannot store."""
    if typed.dtype == pl.String:
        return typed.str.contains("\x00", literal=True).fill_null(False)
    if name not in LARGEST:
        return typed.is_null()
    too_large = ~(typed.abs() <= LARGEST[name]).fill_null(False) | typed.cast(pl.Float64).is_nan().fill_null(False)
    if typed.dtype.is_integer():
        return too_large | (column.cast(pl.Float64, strict=False) != typed.cast(pl.Float64)).fill_null(False)
    return too_large


def _datetimes(column: pl.Series) -> pl.Series:
    formats = [pl.col(column.name).str.to_datetime(each, strict=False, time_unit="us") for each in DATE_FORMATS]
    return column.to_frame().select(pl.coalesce(formats)).to_series()


def _words(kind: pl.DataType) -> str:
    words = {"Int64": "whole number up to 10,000,000", "Float64": "number up to 10,000,000", "String": "plain text"}
    return words.get(str(kind), "date and time such as 2010-12-01T08:26:00")


def _first_row_that_is_not_utf8(path: Path) -> int | None:
    for number, line in enumerate(_lines(path)):
        try:
            line.decode()
        except UnicodeDecodeError:
            return number
    return None


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
