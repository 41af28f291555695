"""Served records in Redis: one JSON string per SKU and channel, never replaced by an older version."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError

ServedRecord = dict[str, Any]

# A publish that commits first may write last; the version decides, not the arrival.
PUT_IF_NEWER = """
for i, key in ipairs(KEYS) do
    local version, stored = tonumber(ARGV[2 * i]), redis.call('GET', key)
    if not stored or cjson.decode(stored)['version'] <= version then
        redis.call('SET', key, ARGV[2 * i + 1], 'EX', ARGV[1])
    end
end
"""
RECORDS_PER_CALL = 500  # one script call blocks Redis for about 2 ms at this size


@lru_cache(maxsize=1)
def _connection() -> tuple[Redis, Script]:
    redis = Redis.from_url(settings.REDIS_URL, socket_timeout=1.0, socket_connect_timeout=0.5)
    return redis, redis.register_script(PUT_IF_NEWER)


def _key(channel: str, sku: str) -> str:
    return f"price:{channel}:{sku}"


def cached_records(channel: str, skus: Iterable[str]) -> dict[str, ServedRecord]:
    """Return the records that Redis holds, by SKU; empty where Redis does not answer (the database does then)."""
    wanted = list(skus)
    redis, _ = _connection()
    try:
        stored = redis.mget([_key(channel, sku) for sku in wanted])
    except RedisError:
        return {}
    return {sku: json.loads(text) for sku, text in zip(wanted, stored, strict=True) if text is not None}


def store_records(channel: str, records: Mapping[str, ServedRecord]) -> bool:
    """Write records unless Redis holds a newer version; False where Redis did not answer (the TTL heals that)."""
    _, put_if_newer = _connection()
    items = list(records.items())
    try:
        for start in range(0, len(items), RECORDS_PER_CALL):
            part = items[start : start + RECORDS_PER_CALL]
            arguments: list[Any] = [settings.PRICE_CACHE_TTL_SECONDS]
            for _, record in part:
                arguments += [record["version"], json.dumps(record, separators=(",", ":"))]
            put_if_newer(keys=[_key(channel, sku) for sku, _ in part], args=arguments)
    except RedisError:
        return False
    return True


def forget_records(channel: str, skus: Iterable[str]) -> None:
    """Delete records of SKUs that are served no longer; where Redis does not answer, the TTL does it."""
    keys = [_key(channel, sku) for sku in skus]
    if keys:
        with contextlib.suppress(RedisError):
            _connection()[0].delete(*keys)


def cache_answers() -> bool:
    """Tell whether Redis answers, for readiness."""
    try:
        return bool(_connection()[0].ping())
    except RedisError:
        return False
