"""Do pieces of a run two at a time in one process."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

AT_ONCE = 2
T = TypeVar("T")


def side_by_side(work: Callable[[T], None], pieces: Sequence[T]) -> Iterator[None]:
    """Yield as often as a piece is done: while one waits for the database, which reads or writes, the other computes.

    A single piece is done in the caller's thread and connection.
    """

    def in_thread(piece: T) -> None:
        try:
            work(piece)
        finally:
            connection.close()

    if len(pieces) < 2:
        yield from map(work, pieces)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(in_thread, pieces)
