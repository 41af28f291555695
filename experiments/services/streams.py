"""The stream's book-keeping in Postgres: offsets, messages to send, messages that could not be used."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction

from experiments.models import DeadLetter, OutboxBatch, StreamOffset
from experiments.selectors.streams import PartitionKey

OUTBOX_CHANNEL = "outbox"
"""Of NOTIFY: it wakes whoever sends, at the commit."""

OUTBOX_ROW = 1_000
"""Messages in one row of the outbox at most."""


class StreamMovedError(Exception):
    """Another process has read these partitions meanwhile: roll back, and read again from the stored offsets."""


@dataclass(frozen=True)
class Advance:
    """Messages read of one partition. ``expected`` is the stored offset that we began at; None for the first time."""

    expected: int | None
    next_offset: int
    lost: int = 0


@transaction.atomic(savepoint=False)
def advance_offsets(*, cluster: str, advances: Mapping[PartitionKey, Advance], now: datetime) -> None:
    """Move stored offsets; call it first in the transaction that stores what the messages taught.

    Locks the partitions' rows until the end of that transaction, so that of two processes which believe that they own
    a partition (a zombie after a rebalance) only one can store anything. Raises StreamMovedError for the other.
    """
    known = {key: advance for key, advance in advances.items() if advance.expected is not None}
    if lacking := known.keys() - _moved(cluster, known, now):
        topic, partition = min(lacking)
        raise StreamMovedError(f"{topic}[{partition}] is not at offset {known[topic, partition].expected} any more")
    for key in sorted(advances.keys() - known.keys()):
        _begin_partition(cluster, key, advances[key], now)


MOVE_SQL = """
WITH news AS (
  SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(expected)s::bigint[], %(next)s::bigint[],
                       %(lost)s::bigint[]) AS news(topic, partition, expected, next_offset, lost)
), locked AS (
  SELECT stored.id, stored.next_offset, stored.topic, stored.partition
    FROM experiments_streamoffset stored JOIN news USING (topic, partition)
   WHERE stored.cluster = %(cluster)s ORDER BY stored.id FOR UPDATE OF stored
)
UPDATE experiments_streamoffset stored
   SET next_offset = news.next_offset, lost = stored.lost + news.lost, updated_at = %(now)s
  FROM locked JOIN news USING (topic, partition)
 WHERE stored.id = locked.id AND locked.next_offset = news.expected
RETURNING stored.topic, stored.partition
"""


def _moved(cluster: str, advances: Mapping[PartitionKey, Advance], now: datetime) -> set[PartitionKey]:
    """Move the partitions that are where they are expected to be; return them."""
    if not advances:
        return set()
    columns: dict[str, Any] = {
        "topics": [topic for topic, _ in advances],
        "partitions": [partition for _, partition in advances],
        "expected": [advance.expected for advance in advances.values()],
        "next": [advance.next_offset for advance in advances.values()],
        "lost": [advance.lost for advance in advances.values()],
    }
    with connection.cursor() as cursor:
        cursor.execute(MOVE_SQL, {"cluster": cluster, "now": now, **columns})
        return {(topic, partition) for topic, partition in cursor.fetchall()}


def _begin_partition(cluster: str, key: PartitionKey, advance: Advance, now: datetime) -> None:
    topic, partition = key
    places = {"cluster": cluster, "topic": topic, "partition": partition}
    try:
        StreamOffset.objects.create(**places, next_offset=advance.next_offset, lost=advance.lost, updated_at=now)
    except IntegrityError as error:
        raise StreamMovedError(f"{topic}[{partition}]: somebody else began it") from error


@dataclass(frozen=True)
class Envelope:
    """A message for a topic (named without the deployment's prefix). Those of one key stay in order."""

    topic: str
    key: str
    value: bytes
    replay_of: int | None = None


def enqueue_messages(*, messages: Sequence[Envelope], now: datetime) -> None:
    """Put messages into the outbox; they are sent if and only if the surrounding transaction commits."""
    batches: dict[tuple[str, int | None], list[Envelope]] = defaultdict(list)
    for each in messages:
        batches[each.topic, each.replay_of].append(each)
    rows = [
        (topic, replay_of, found[start : start + OUTBOX_ROW])
        for (topic, replay_of), found in batches.items()
        for start in range(0, len(found), OUTBOX_ROW)
    ]
    with connection.cursor() as cursor:
        for topic, replay_of, some in rows:
            keys, values = [each.key for each in some], [each.value for each in some]
            cursor.execute(ENQUEUE_SQL, [topic, keys, values, replay_of, now, OUTBOX_CHANNEL])


ENQUEUE_SQL = """
WITH stored AS (
  INSERT INTO experiments_outboxbatch (topic, keys, values, replay_of, created_at)
  VALUES (%s, %s::text[], %s::bytea[], %s, %s) RETURNING id
)
SELECT pg_notify(%s, '') FROM stored
"""


@transaction.atomic
def send_enqueued(*, send: Callable[[list[Envelope]], None], limit: int) -> int:
    """Hand the oldest batches to ``send`` and delete them; return how many messages they held.

    ``send`` returns once the broker has all of them, or raises: then they stay, and some may be sent a second time.
    The rows are locked meanwhile; another process takes the next ones.

    Args:
        limit: of rows, each of `OUTBOX_ROW` messages at most.
    """
    rows = list(OutboxBatch.objects.select_for_update(skip_locked=True).order_by("pk")[:limit])
    messages = [
        Envelope(row.topic, key, bytes(value), row.replay_of)
        for row in rows
        for key, value in zip(row.keys, row.values, strict=True)
    ]
    if messages:
        send(messages)
        OutboxBatch.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(messages)


@dataclass(frozen=True)
class Unusable:
    """A message that cannot be used, and why."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    payload: bytes
    replay_of: int | None = None


def bury_messages(*, letters: Sequence[Unusable], now: datetime) -> None:
    """Store messages that cannot be used, as they came; one that was a letter before names it."""
    named = {letter.replay_of for letter in letters if letter.replay_of is not None}
    known = set(DeadLetter.objects.filter(pk__in=named).values_list("pk", flat=True)) if named else set()
    DeadLetter.objects.bulk_create(
        [
            DeadLetter(
                topic=letter.topic,
                partition=letter.partition,
                offset=letter.offset,
                reason=letter.reason,
                detail=letter.detail.replace("\0", "\\0"),
                payload=letter.payload,
                failed_at=now,
                replay_of_id=letter.replay_of if letter.replay_of in known else None,
            )
            for letter in letters
        ],
        batch_size=500,
    )
