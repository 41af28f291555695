"""The stream's book-keeping in Postgres: offsets, messages to send, messages that could not be used."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from experiments.models import DeadLetter, OutboxMessage, StreamOffset
from experiments.selectors.streams import PartitionKey


class StreamMovedError(Exception):
    """Another process has read these partitions meanwhile: roll back, and read again from the stored offsets."""


@dataclass(frozen=True)
class Advance:
    """Messages read of one partition. ``expected`` is the stored offset that we began at; None for the first time."""

    expected: int | None
    next_offset: int
    lost: int = 0


@transaction.atomic
def advance_offsets(*, cluster: str, advances: Mapping[PartitionKey, Advance], now: datetime) -> None:
    """Move stored offsets; call it first in the transaction that stores what the messages taught.

    Locks the partitions' rows until the end of that transaction, so that of two processes which believe that they own
    a partition (a zombie after a rebalance) only one can store anything. Raises StreamMovedError for the other.
    """
    rows = StreamOffset.objects.select_for_update().filter(cluster=cluster, topic__in={key[0] for key in advances})
    stored = {(row.topic, row.partition): row for row in rows.order_by("pk")}
    for key, advance in sorted(advances.items()):
        row = stored.get(key)
        if (row.next_offset if row else None) != advance.expected:
            raise StreamMovedError(f"{key[0]}[{key[1]}]: expected offset {advance.expected}, stored is {row}")
        values = {"next_offset": advance.next_offset, "updated_at": now}
        if row:
            StreamOffset.objects.filter(pk=row.pk).update(**values, lost=F("lost") + advance.lost)
            continue
        try:
            StreamOffset.objects.create(cluster=cluster, topic=key[0], partition=key[1], lost=advance.lost, **values)
        except IntegrityError as error:
            raise StreamMovedError(f"{key[0]}[{key[1]}]: somebody else began it") from error


@dataclass(frozen=True)
class Envelope:
    """A message for a topic (named without the deployment's prefix)."""

    topic: str
    key: str
    payload: dict[str, Any]


def enqueue_messages(*, messages: Sequence[Envelope], now: datetime) -> None:
    """Put messages into the outbox; they are sent if and only if the surrounding transaction commits."""
    OutboxMessage.objects.bulk_create(
        [OutboxMessage(topic=each.topic, key=each.key, payload=each.payload, created_at=now) for each in messages],
        batch_size=2000,
    )


@transaction.atomic
def send_enqueued(*, send: Callable[[list[Envelope]], None], limit: int) -> int:
    """Hand the oldest messages to ``send`` and delete them; return how many.

    ``send`` returns once the broker has all of them, or raises: then they stay, and some may be sent a second time.
    The rows are locked meanwhile; another process takes the next ones.
    """
    rows = list(OutboxMessage.objects.select_for_update(skip_locked=True).order_by("pk")[:limit])
    if rows:
        send([Envelope(row.topic, row.key, row.payload) for row in rows])
        OutboxMessage.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


@dataclass(frozen=True)
class Unusable:
    """A message that cannot be used, and why."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    payload: bytes


def bury_messages(*, letters: Sequence[Unusable], now: datetime) -> None:
    """Store messages that cannot be used, as they came."""
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
            )
            for letter in letters
        ],
        batch_size=500,
    )
