"""What Redis holds about a price or an API key, and under which name. Pure; whoever reads or writes Redis uses it.

A value is text: ``<revision> s <refresh_at> <json>`` a record, ``<revision> a`` nothing is served under this name, or
``<revision> p <xid>`` pending: the database transaction ``xid`` is about to change it, so ask the database.
A record's letter changes with its fields: what an older release wrote (``r``) is then unreadable, as nothing is.
A higher revision is newer. Names begin with a namespace of the Redis process and the epoch, so that the content of a
Redis that restarted, empty or from an old snapshot, is never read.
"""

from dataclasses import dataclass
from enum import Enum

NAMESPACE_RUN_ID = 16  # characters of Redis's run_id, which is new at every start of it
ABSENT_SECONDS = 30  # how long "there is no such SKU" is kept: nobody fills the cache with made-up names for long


class Kind(Enum):
    RECORD = "s"
    ABSENT = "a"
    PENDING = "p"


@dataclass(frozen=True, slots=True)
class CachedValue:
    """``refresh_at``: Unix time after which the record is read again, though it is still valid. ``xid``: Postgres's."""

    revision: int
    kind: Kind
    content: bytes = b""
    refresh_at: int = 0
    xid: int = 0

    def encoded(self) -> bytes:
        head = f"{self.revision} {self.kind.value}"
        if self.kind is Kind.RECORD:
            return f"{head} {self.refresh_at} ".encode() + self.content
        return f"{head} {self.xid}".encode() if self.kind is Kind.PENDING else head.encode()


def decoded(text: bytes) -> CachedValue:
    """Raises ValueError where the text is none of ours."""
    revision, kind_text, *rest = text.split(b" ", 3)
    kind = Kind(kind_text.decode())
    if kind is Kind.RECORD:
        return CachedValue(int(revision), kind, content=rest[1], refresh_at=int(rest[0]))
    return CachedValue(int(revision), kind, xid=int(rest[0]) if kind is Kind.PENDING else 0)


def price_name(channel: str, sku: str) -> bytes:
    return f"p:{channel}:{sku}".encode()


def api_key_name(digest: str) -> bytes:
    return f"k:{digest}".encode()


def namespace(run_id: str, epoch: int) -> bytes:
    return f"{run_id[:NAMESPACE_RUN_ID]}-{epoch}:".encode()


# ARGV: the epoch, then for each value its name, its text, its seconds to live and the pending text that it settles.
# One script, so that the process that stores is the process that is named. INFO costs 60 microseconds.
STORE_SCRIPT = f"""
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local prefix = string.sub(run_id, 1, {NAMESPACE_RUN_ID}) .. '-' .. ARGV[1] .. ':'
local stored = 0
for i = 2, #ARGV, 4 do
    local name, text, seconds, settled = prefix .. ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    local held = redis.call('GET', name)
    if not held or held == settled
        or tonumber(string.match(held, '^%d+')) <= tonumber(string.match(text, '^%d+')) then
        redis.call('SET', name, text, 'EX', seconds)
        stored = stored + 1
    end
end
return stored
"""
VALUES_PER_CALL = 500  # one call of the script blocks Redis for about 2 ms at this size
