"""Online features in Redis: one packed record a SKU, never replaced by an older one.

A record is float64 in the order of ``COLUMNS``: 8 bytes hold money to the penny and times to the microsecond, as
Postgres has them; with 4 they would not. One key a SKU rather than one a group: a read is one MGET of as many keys as
SKUs, and a record is of one moment throughout. The key names the layout, so that processes of two releases do not read
each other's records.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from django.conf import settings
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError

from optimizer.features.definitions import COLUMNS, LAYOUT

RECORD: Final = np.dtype("<f8")
RECORD_BYTES: Final = len(COLUMNS) * RECORD.itemsize
MISSING: Final = np.full(len(COLUMNS), np.nan, dtype=RECORD).tobytes()

# The batch and the stream write the same records; the moment decides which one stays, not the arrival.
PUT_IF_NEWER: Final = """
for i, key in ipairs(KEYS) do
    local record, stored = ARGV[i + 1], redis.call('GETRANGE', key, 0, 7)
    if #stored < 8 or struct.unpack('<d', stored) <= struct.unpack('<d', record) then
        redis.call('SET', key, record, 'EX', ARGV[1])
    end
end
"""
RECORDS_PER_CALL = 500
# After so many refreshes that did not come, records are too old to serve; Postgres answers then.
LIVES_REFRESHES = 3


@lru_cache(maxsize=1)
def _connection() -> tuple[Redis, Script]:
    redis = Redis.from_url(settings.REDIS_URL, socket_timeout=1.0, socket_connect_timeout=0.5)
    return redis, redis.register_script(PUT_IF_NEWER)


def _keys(channel: str, skus: Sequence[str]) -> list[str]:
    prefix = f"features:{LAYOUT}:{channel}:"
    return [prefix + sku for sku in skus]


def stored_records(*, channel: str, skus: Sequence[str]) -> np.ndarray:
    """Return (sku, column) float64 in the order asked, one round trip; a row of NaN where Redis has none or is away."""
    redis, _ = _connection()
    try:
        found: Any = redis.mget(_keys(channel, skus)) if skus else []
    except RedisError:
        found = [None] * len(skus)
    whole = [record if record and len(record) == RECORD_BYTES else MISSING for record in found]
    return np.frombuffer(b"".join(whole), dtype=RECORD).reshape(-1, len(COLUMNS))


def store_records(*, channel: str, skus: Sequence[str], records: np.ndarray) -> bool:
    """Write a record a SKU unless Redis has a newer one; False where it did not answer (a refresh heals that)."""
    _, put_if_newer = _connection()
    keys, ttl = _keys(channel, skus), LIVES_REFRESHES * settings.FEATURES_REFRESH_SECONDS
    packed = [record.tobytes() for record in records.astype(RECORD)]
    try:
        for start in range(0, len(keys), RECORDS_PER_CALL):
            part = slice(start, start + RECORDS_PER_CALL)
            put_if_newer(keys=keys[part], args=[ttl, *packed[part]])
    except RedisError:
        return False
    return True
