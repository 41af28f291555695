"""The stream's book-keeping in Postgres: offsets, messages to send, messages that could not be used."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F

from experiments.models import DeadLetter, OutboxBatch, StreamOffset
from experiments.selectors.streams import PartitionKey

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
    OutboxBatch.objects.bulk_create(
        OutboxBatch(
            topic=topic,
            keys=[each.key for each in some],
            values=[each.value for each in some],
            replay_of=replay_of,
            created_at=now,
        )
        for (topic, replay_of), found in batches.items()
        for some in (found[start : start + OUTBOX_ROW] for start in range(0, len(found), OUTBOX_ROW))
    )


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
