from datetime import datetime

from django.db.models import Min, Sum
from django.db.models.functions import Coalesce

from experiments.models import OutboxBatch, StreamOffset

PartitionKey = tuple[str, int]


def stored_offsets(*, cluster: str) -> dict[PartitionKey, int]:
    """Return the next message to read, by (topic, partition); partitions never read are absent."""
    rows = StreamOffset.objects.filter(cluster=cluster).values_list("topic", "partition", "next_offset")
    return {(topic, partition): next_offset for topic, partition, next_offset in rows}


def outbox_state() -> tuple[int, datetime | None]:
    """Return how many messages wait to be sent, and since when the oldest of them does."""
    found = OutboxBatch.objects.aggregate(waiting=Coalesce(Sum("keys__len"), 0), oldest=Min("created_at"))
    return found["waiting"], found["oldest"]


def outbox_size() -> int:
    """Return how many messages wait to be sent."""
    return outbox_state()[0]
