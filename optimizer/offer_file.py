"""Competitors' offers as a CSV file has them: each row read, or refused with the reason."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from catalog.gtin import NotAGtin, gtin14
from catalog.local_times import TimeError, moment_of
from catalog.models import Channel
from catalog.money import from_ticks, to_ticks

REQUIRED: Final = ("competitor", "price", "observed_at")
KEYS: Final = ("sku", "gtin", "name")
COLUMNS: Final = (*REQUIRED, *KEYS)
REJECTED: Final = ("row", "reason")  # what a file of rejected rows adds: mended, it can be given back as it is
FIRST_ROW: Final = 2  # as a spreadsheet counts, the header being row 1
COMPETITOR_LENGTH: Final = 100
NAME_LENGTH: Final = 300  # as long as a product's of ours can be
TOLERANCE: Final = timedelta(minutes=5)
"""How far a competitor's clock may go before ours."""

NUL: Final = "\x00"  # Postgres text cannot hold it


class OfferFileError(ValueError):
    """The file as a whole cannot be read; the message names the cure. Nothing was written."""


class RejectsFileError(ValueError):
    """Rejected rows cannot be written; the message names the cure. Nothing was stored."""


class RowRejected(ValueError):
    """A row is not an offer; the message is the reason, then the cure."""


@dataclass(frozen=True, slots=True)
class OfferRow:
    """One row: what a competitor asked, for what, and when. One of ``sku``, ``gtin`` and ``name`` is not empty."""

    competitor: str
    price: Decimal
    observed_at: datetime
    sku: str
    gtin: str
    name: str


def read_texts(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows of a CSV file with their numbers, as texts by column; empty rows are left out.

    Raises:
        OfferFileError: it is no such file, or lacks a column, or has one that is unknown.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise OfferFileError(f"{path}: {error.strerror}: give a file that can be read.") from error
    except UnicodeDecodeError as error:
        raise OfferFileError(f"{path}: not UTF-8 (byte {error.start}): save it as “CSV UTF-8”.") from error
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=_delimiter(content), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(path, header)
        for number, cells in enumerate(reader, FIRST_ROW):
            if any(cell.strip() for cell in cells):
                # Cells beyond the header stay visible: they make the row a bad one.
                texts = dict(zip(header, cells, strict=False)) | {"": "".join(cells[len(header) :])}
                yield number, texts
    except csv.Error as error:
        raise OfferFileError(f"{path}: not a CSV file (line {reader.line_num}: {error}): save it again.") from error


def read_offer(texts: Mapping[str, str], *, channel: Channel, now: datetime) -> OfferRow:
    """Read one row.

    Raises:
        RowRejected: with what is wrong first.
    """
    row = {name: (texts.get(name) or "").strip() for name in COLUMNS}
    if texts.get("", "").strip():
        raise RowRejected("too many cells: put text with commas in quotes")
    if NUL in "".join(row.values()):
        raise RowRejected("not a text: take the zero bytes out")
    if not row["competitor"] or len(row["competitor"]) > COMPETITOR_LENGTH:
        raise RowRejected(f"no competitor: give a name of at most {COMPETITOR_LENGTH} characters")
    if not any(row[key] for key in KEYS):
        raise RowRejected("no product: give its sku, gtin or name")
    if len(row["name"]) > NAME_LENGTH and not row["sku"]:
        raise RowRejected(f"name too long: {len(row['name']):,} characters; give at most {NAME_LENGTH}")
    price, observed_at = _price(row["price"], channel), _moment(row["observed_at"], now)
    if row["gtin"] and not row["sku"]:
        _check_gtin(row["gtin"])
    return OfferRow(row["competitor"], price, observed_at, row["sku"], row["gtin"], row["name"])


def _price(text: str, channel: Channel) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or not 0 < price < 10**9:
        raise RowRejected(f"no price: {text[:40]!r}; give an amount above 0, such as 9.99")
    if price != from_ticks(to_ticks(price, channel.currency_exponent), channel.currency_exponent):
        raise RowRejected(f"no price: {text[:40]!r}; {channel.currency} has {channel.currency_exponent} decimals")
    return price


def _moment(text: str, now: datetime) -> datetime:
    try:
        moment = moment_of(text)
    except (TimeError, OverflowError):
        raise RowRejected(f"no time: {text[:40]!r}; write it with its zone, like 2026-12-01T09:00+01:00") from None
    if moment > now + TOLERANCE:
        raise RowRejected(f"in the future: {text[:40]!r}; give when the offer was seen")
    return moment


def _check_gtin(text: str) -> None:
    try:
        gtin14(text)
    except NotAGtin as error:
        raise RowRejected(f"no GTIN: {error}") from error


def _delimiter(content: str) -> str:
    """Spreadsheets in much of Europe write semicolons."""
    header = content.split("\n", 1)[0]
    return ";" if header.count(";") > header.count(",") else ","


def _check_header(path: Path, header: list[str]) -> None:
    wanted = f"columns: {', '.join(REQUIRED)}, and one or more of {', '.join(KEYS)}"
    missing = [name for name in REQUIRED if name not in header]
    if missing or not any(key in header for key in KEYS):
        found = ", ".join(header)[:120] or "nothing"
        raise OfferFileError(f"{path}: column {missing[0] if missing else 'sku'} is missing; found: {found}; {wanted}.")
    unknown = [name for name in header if name not in COLUMNS + REJECTED]
    if unknown or len(set(header)) != len(header):
        odd = unknown[0] if unknown else next(name for name in header if header.count(name) > 1)
        raise OfferFileError(f"{path}: column {odd[:40]!r} is unknown or there twice; {wanted}.")
