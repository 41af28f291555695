"""Read many rows as plain tuples, or as CSV: a fraction of the time of models."""

from collections.abc import Mapping
from itertools import starmap
from typing import Any, NamedTuple, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from psycopg import sql
from psycopg.types.datetime import TimestamptzLoader

Row = TypeVar("Row", bound=NamedTuple)


def read_rows(found: "QuerySet[Any, Any]", row: type[Row], columns: Mapping[str, str] | None = None) -> list[Row]:
    """Return what a query finds as rows of a kind; a field with a default is not read.

    ``columns``: the fields that are called otherwise in the models.
    """
    names = [(columns or {}).get(name, name) for name in row._fields if name not in row._field_defaults]
    return list(starmap(row, read_tuples(found.values_list(*names))))


def read_tuples(rows: "QuerySet[Any, tuple[Any, ...]]") -> list[tuple[Any, ...]]:
    """Return the rows of a ``values_list`` as the driver gives them; JSON comes as text, moments in UTC.

    Django's own reading of moments is written in Python; here the driver's is used.
    """
    try:
        query, parameters = rows.query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(query, parameters)
        return cursor.fetchall()


def copied_csv(query: str, **values: object) -> bytes:
    """Return what a query finds as CSV with a header, by COPY; ``{name}`` in it stands for a value."""
    filled = sql.SQL(query).format(**{name: sql.Literal(value) for name, value in values.items()})
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(filled)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(bytes(block) for block in copy)
