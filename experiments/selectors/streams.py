from experiments.models import OutboxMessage, StreamOffset

PartitionKey = tuple[str, int]


def stored_offsets(*, cluster: str) -> dict[PartitionKey, int]:
    """Return the next message to read, by (topic, partition); partitions never read are absent."""
    rows = StreamOffset.objects.filter(cluster=cluster).values_list("topic", "partition", "next_offset")
    return {(topic, partition): next_offset for topic, partition, next_offset in rows}


def outbox_size() -> int:
    return OutboxMessage.objects.count()
