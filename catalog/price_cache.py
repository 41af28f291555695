"""Write what the storefront is served to Redis. The storefront's own processes read it: see `catalog.gateway`.

Before a transaction that changes what is served commits, it marks the names of it as pending; after the commit it
stores the new records. So no moment of its death leaves an old price that would be trusted: where Redis cannot be
reached the epoch rises instead, in the database, and everything that was cached is forgotten.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.exceptions import RedisError
from redis.retry import Retry

from catalog.cached_values import (
    ABSENT_SECONDS,
    NAMESPACE_RUN_ID,
    STORE_SCRIPT,
    VALUES_PER_CALL,
    CachedValue,
    Kind,
    namespace,
    price_name,
)

ServedRecord = dict[str, Any]

READ_EPOCH_SQL = "SELECT coalesce(max(number), 0) FROM catalog_cacheepoch"
RAISE_EPOCH_SQL = """
INSERT INTO catalog_cacheepoch (id, number) VALUES (1, 1)
    ON CONFLICT (id) DO UPDATE SET number = catalog_cacheepoch.number + 1
"""


NAMESPACED = "[0-9a-f]" * NAMESPACE_RUN_ID + "-*:*"


@lru_cache(maxsize=1)
def redis_connection() -> tuple[Redis, Script]:
    """Return this process's connections to the cache, and the script that stores values."""
    # One second try, for a kept connection that Redis had closed: all that is done with it may be done twice.
    redis = Redis.from_url(
        settings.REDIS_URL, socket_timeout=1.0, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 1)
    )
    return redis, redis.register_script(STORE_SCRIPT)


def epoch() -> int:
    with connection.cursor() as cursor:
        cursor.execute(READ_EPOCH_SQL)
        return int(cursor.fetchone()[0])


def raise_epoch() -> None:
    """Make every process forget what Redis and it hold, as soon as this transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute(RAISE_EPOCH_SQL)


def record_value(record: ServedRecord | None, *, revision: int) -> CachedValue:
    """Return what is cached for a served record; None: the SKU is not sold in the channel."""
    if record is None:
        return CachedValue(revision, Kind.ABSENT)
    content = orjson.dumps(record)
    return CachedValue(revision, Kind.RECORD, content=content, refresh_at=_refresh_at(record))


def _refresh_at(record: ServedRecord) -> int:
    """Return when a record is read again: as usual, or when its prior price changes with time alone."""
    usual, changes = refresh_time(record["sku"]), record["prior_price_until"]
    return usual if changes is None else min(usual, changes)


def refresh_time(name: str) -> int:
    """Return the Unix time at which a record read now is to be read again; what was stored at once spreads out."""
    return int(time.time() + settings.PRICE_CACHE_TTL_SECONDS * (0.8 + 0.2 * (hash(name) % 100) / 100))


def seconds_to_live(value: CachedValue) -> int:
    return ABSENT_SECONDS if value.kind is Kind.ABSENT else int(settings.PRICE_CACHE_GRACE_SECONDS)


def store_values(values: Mapping[bytes, CachedValue], *, epoch: int) -> bool:
    """Write values unless Redis holds newer ones; False where Redis did not answer."""
    _, store = redis_connection()
    try:
        for part in batched_items(values):
            store(args=store_arguments(part, epoch=epoch))
    except RedisError:
        return False
    return True


def store_arguments(
    values: Iterable[tuple[bytes, CachedValue]], *, epoch: int, settled: Mapping[bytes, bytes] | None = None
) -> list[bytes | int]:
    """Return the arguments of STORE_SCRIPT; ``settled``: pending texts whose transactions are known to have ended."""
    arguments: list[bytes | int] = [epoch]
    for name, value in values:
        arguments += [name, value.encoded(), seconds_to_live(value), (settled or {}).get(name, b"")]
    return arguments


def mark_pending(names: Mapping[bytes, int], *, xid: int, epoch: int) -> bool:
    """Say that the transaction ``xid`` is about to bring these names to these revisions; False: not all were said."""
    return store_values({name: CachedValue(new, Kind.PENDING, xid=xid) for name, new in names.items()}, epoch=epoch)


def price_names(channel: str, revisions: Mapping[str, int]) -> dict[bytes, int]:
    """Return the names under which SKUs are cached, with their revisions."""
    return {price_name(channel, sku): revision for sku, revision in revisions.items()}


def held_value(name: bytes, *, epoch: int) -> bytes | None:
    """Return what Redis holds under a name now; raises RedisError."""
    held: Any = redis_connection()[0].get(current_namespace(epoch=epoch) + name)
    return held


def current_namespace(*, epoch: int) -> bytes:
    """Return the namespace that is read at present; raises RedisError."""
    redis, _ = redis_connection()
    return namespace(redis.info("server")["run_id"], epoch)


def begin_warming(*, epoch: int, seconds: int) -> bool:
    """Tell whether this namespace still has to be warmed, and claim it for some seconds; raises RedisError."""
    redis, _ = redis_connection()
    return bool(redis.set(current_namespace(epoch=epoch) + b"warmed", b"", nx=True, ex=seconds))


def drop_other_namespaces(*, epoch: int) -> int:
    """Delete what belongs to earlier epochs and processes, and return how many names; raises RedisError."""
    redis, _ = redis_connection()
    current = current_namespace(epoch=epoch)
    dropped = cursor = 0
    while True:
        page: tuple[int, list[Any]] = redis.scan(cursor, match=NAMESPACED, count=1000)
        cursor, names = page
        old = [name for name in names if not name.startswith(current)]
        dropped += redis.unlink(*old) if old else 0
        if not cursor:
            return dropped


def cache_answers() -> bool:
    """Tell whether Redis answers, for readiness."""
    try:
        return bool(redis_connection()[0].ping())
    except RedisError:
        return False


def batched_items(values: Mapping[bytes, CachedValue]) -> Iterator[list[tuple[bytes, CachedValue]]]:
    items = list(values.items())
    for start in range(0, len(items), VALUES_PER_CALL):
        yield items[start : start + VALUES_PER_CALL]
