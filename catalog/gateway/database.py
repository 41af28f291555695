"""Loads from Postgres for the gateway: many names at once, in threads of their own, given up early where it is away."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import Error, connection

from catalog.cached_values import CachedValue
from catalog.price_cache import READ_EPOCH_SQL
from catalog.selectors.api_keys import api_key_values
from catalog.selectors.served import served_values

logger = logging.getLogger(__name__)

THREADS = 2  # and as many connections, of every web process
PATIENCE_SECONDS = 2.0
PAUSE_SECONDS = 0.2  # after a failure nobody waits for the database before this has passed
EPOCH_SECONDS = 0.025
ENDED_SQL = "SELECT xid FROM unnest(%s::text[]) xid WHERE coalesce(pg_xact_status(xid::xid8), '') <> 'in progress'"


class DatabaseAway(Exception):
    """Postgres does not answer."""


@dataclass(frozen=True)
class Loaded:
    """What the database says under some names, and which of the transactions asked about had ended before."""

    values: Mapping[bytes, CachedValue]
    ended: frozenset[int]


class Database:
    """Loads values in threads that keep their connections."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway-database")
        self.away_until = 0.0

    async def load(self, names: Sequence[bytes], pending: Sequence[int]) -> Loaded:
        """Return values for all names; raises DatabaseAway.

        ``pending``: transactions of which is asked whether they had ended before the values were read.
        """
        if self.loop.time() < self.away_until:
            raise DatabaseAway("it did not answer a moment ago")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self.loop.run_in_executor(self.threads, _load, names, pending)
        except (Error, TimeoutError) as error:
            logger.warning("the database does not answer: %s", error)
            self.away_until = self.loop.time() + PAUSE_SECONDS
            raise DatabaseAway(str(error)) from error

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)


def _load(names: Sequence[bytes], pending: Sequence[int]) -> Loaded:
    is_kept = connection.connection is not None
    try:
        return _read(names, pending)
    except Error:
        connection.close()
        if not is_kept:
            raise
    try:
        return _read(names, pending)  # a kept connection may have been closed long ago
    except Error:
        connection.close()
        raise


def _read(names: Sequence[bytes], pending: Sequence[int]) -> Loaded:
    # Before the values: what has ended by now is seen by the queries that follow.
    ended = _ended(pending)
    return Loaded(_values(names), ended)


def _ended(xids: Sequence[int]) -> frozenset[int]:
    if not xids:
        return frozenset()
    with connection.cursor() as cursor:
        cursor.execute(ENDED_SQL, [[str(xid) for xid in xids]])
        return frozenset(int(xid) for (xid,) in cursor.fetchall())


def _values(names: Sequence[bytes]) -> dict[bytes, CachedValue]:
    skus: dict[str, list[str]] = defaultdict(list)
    digests: list[str] = []
    for name in names:
        kind, _, rest = name.decode().partition(":")
        if kind == "p":
            channel, _, sku = rest.partition(":")
            skus[channel].append(sku)
        else:
            digests.append(rest)
    values = api_key_values(digests=digests) if digests else {}
    for channel, wanted in skus.items():
        values |= served_values(channel=channel, skus=wanted)
    return values


async def watch_epoch(on_epoch: Callable[[int], None]) -> None:
    """Call ``on_epoch`` with the epoch some forty times a second, while the database answers, until cancelled.

    While Postgres is away the epoch cannot rise: nothing commits.
    """
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**_parameters(), autocommit=True) as link:
                while True:
                    cursor = await link.execute(READ_EPOCH_SQL)
                    row = await cursor.fetchone()
                    on_epoch(int(row[0]) if row else 0)
                    await asyncio.sleep(EPOCH_SECONDS)
        except (psycopg.Error, OSError) as error:
            logger.debug("the epoch is not known: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)


def _parameters() -> dict[str, Any]:
    parameters = connection.get_connection_params()
    return {name: value for name, value in parameters.items() if name not in {"cursor_factory", "context"}}
