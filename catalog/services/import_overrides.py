"""Overrides and promotions from a file: a preview that writes nothing, and an import that keeps every good row."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth.models import User

from catalog.models import Channel, PriceOverride
from catalog.override_requests import FIELDS, FieldError, OverrideRefused, OverrideRequest, read_request
from catalog.services.check_overrides import CheckedOverride, check_overrides
from catalog.services.overrides import schedule_overrides

MAX_ROWS = 10_000
MAX_BYTES = 2_000_000
CHUNK = 500  # rows of one transaction
REQUIRED = ("sku", "price", "reason")
ERROR_COLUMNS = ("row", "field", "cure")  # what an error file adds: mended, it can be given back as it is
FIRST_ROW = 2  # as a spreadsheet counts, the header being row 1


class OverrideFileError(ValueError):
    """A file as a whole cannot be read; the message names the cure. Nothing was written."""


@dataclass
class FileRow:
    """One row of the file and what became of it: ``override``, new or known before, or errors."""

    number: int
    texts: Mapping[str, str]
    request: OverrideRequest | None = None
    checked: CheckedOverride | None = None
    override: PriceOverride | None = None
    is_new: bool = False
    errors: list[FieldError] = field(default_factory=list)

    @property
    def is_known(self) -> bool:
        return self.override is not None and not self.is_new


@dataclass(frozen=True)
class FileOutcome:
    """All rows of a file in their order."""

    rows: list[FileRow]

    @property
    def good(self) -> list[FileRow]:
        return [row for row in self.rows if not row.errors and not row.is_known]

    @property
    def known(self) -> list[FileRow]:
        """Rows that were scheduled before."""
        return [row for row in self.rows if row.is_known]

    @property
    def bad(self) -> list[FileRow]:
        return [row for row in self.rows if row.errors]

    def errors_csv(self) -> str:
        """Return the bad rows as a file: the columns that came, then row, field and cure."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*FIELDS, *ERROR_COLUMNS])
        for row in self.bad:
            fields = "; ".join(error.field for error in row.errors)
            cures = "; ".join(error.message for error in row.errors)
            writer.writerow([*(row.texts.get(name, "") for name in FIELDS), row.number, fields, cures])
        return text.getvalue()


def preview_overrides(*, channel: Channel, content: bytes, now: datetime) -> FileOutcome:
    """Check a file against the shop as it is now and write nothing.

    Raises:
        OverrideFileError: the file cannot be read.
    """
    rows = _read_rows(content, channel, now)
    readable = [row for row in rows if row.request is not None]
    checked = check_overrides(channel=channel, requests=_requests(readable), now=now)
    for row, each in zip(readable, checked, strict=True):
        row.checked, row.override, row.errors = each, each.existing, each.errors
    return FileOutcome(rows)


def import_overrides(*, channel: Channel, content: bytes, now: datetime, author: User | None = None) -> FileOutcome:
    """Schedule the good rows of a file, in transactions of 500; killed in between, the same file goes on where it was.

    Raises:
        OverrideFileError: the file cannot be read.
    """
    rows = _read_rows(content, channel, now)
    readable = [row for row in rows if row.request is not None]
    for start in range(0, len(readable), CHUNK):
        chunk = readable[start : start + CHUNK]
        done = schedule_overrides(channel=channel, requests=_requests(chunk), now=now, author=author)
        for row, each in zip(chunk, done, strict=True):
            row.override, row.is_new, row.errors = each.override, each.is_new, each.errors
    return FileOutcome(rows)


def _requests(rows: Sequence[FileRow]) -> list[OverrideRequest]:
    return [row.request for row in rows if row.request is not None]


def _read_rows(content: bytes, channel: Channel, now: datetime) -> list[FileRow]:
    rows = [FileRow(number, texts) for number, texts in _texts(content)]
    seen: dict[str, int] = {}
    for row in rows:
        try:
            request = read_request(row.texts, channel=channel).asked_once(now=now)
        except OverrideRefused as error:
            row.errors = error.errors
            continue
        first = seen.setdefault(request.idempotency_key, row.number)
        if first != row.number:
            row.errors = [FieldError("sku", f"The same as row {first}: delete one of the two.")]
        else:
            row.request = request
    return rows


def _texts(content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(_decoded(content), newline=""), delimiter=_delimiter(content), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _require_columns(header)
        for number, cells in enumerate(reader, FIRST_ROW):
            if number - FIRST_ROW >= MAX_ROWS:
                raise OverrideFileError(f"More than {MAX_ROWS:,} rows: split the file.")
            if len(cells) > len(header):
                raise OverrideFileError(
                    f"Row {number} has {len(cells)} cells for {len(header)} columns: put text with commas in quotes."
                )
            if any(cell.strip() for cell in cells):
                yield number, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise OverrideFileError(f"Not a CSV file (line {reader.line_num}: {error}): save it as CSV again.") from error


def _decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise OverrideFileError(f"Larger than {MAX_BYTES // 1_000_000} MB: split the file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OverrideFileError(f"Not UTF-8 (byte {error.start}): save it as “CSV UTF-8”.") from error


def _delimiter(content: bytes) -> str:
    """Spreadsheets in much of Europe write semicolons."""
    header = content.split(b"\n", 1)[0]
    return ";" if header.count(b";") > header.count(b",") else ","


def _require_columns(header: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        found = ", ".join(header) or "nothing"
        raise OverrideFileError(f"Column {missing[0]} is missing; found: {found}. Columns: {', '.join(FIELDS)}.")
    unknown = [name for name in header if name not in FIELDS + ERROR_COLUMNS]
    if unknown or len(set(header)) != len(header):
        odd = unknown[0] if unknown else next(name for name in header if header.count(name) > 1)
        raise OverrideFileError(f"Column {odd!r} is unknown or there twice. Columns: {', '.join(FIELDS)}.")
