"""What makes a stream count once: how far it was read, what waits to be sent, what could not be used.

These rows live here, below the code that speaks Kafka, so that they commit together with what was learned.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class StreamOffset(models.Model):
    """The next message to read of one partition; moved in the transaction that stores what the messages taught."""

    cluster = models.CharField(max_length=200, help_text="The Kafka cluster's id: offsets of another one mean nothing.")
    topic = models.CharField(max_length=249)
    partition = models.PositiveIntegerField()
    next_offset = models.PositiveBigIntegerField()
    lost = models.PositiveBigIntegerField(
        default=0, help_text="Messages that the broker had already deleted when we came to read them."
    )
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "topic", "partition"], name="offset_once")]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}] at {self.next_offset}"


class OutboxBatch(models.Model):
    """Messages of one transaction to one topic, to be sent to Kafka; deleted once the broker has them all."""

    topic = models.CharField(max_length=249, help_text="Without the deployment's prefix.")
    keys = ArrayField(models.CharField(max_length=300))
    values = ArrayField(models.BinaryField(), help_text="As many as keys.")
    replay_of = models.BigIntegerField(null=True, help_text="The dead letter that is sent once more.")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "outbox batches"

    def __str__(self) -> str:
        return f"{len(self.keys)} messages to {self.topic}"


class DeadLetter(models.Model):
    """A message that could not be used, as it came, with the reason. The stream went on without it."""

    topic = models.CharField(max_length=249)
    partition = models.PositiveIntegerField()
    offset = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=64)
    detail = models.TextField(blank=True)
    payload = models.BinaryField()
    failed_at = models.DateTimeField()
    replayed_at = models.DateTimeField(null=True, help_text="When it was sent once more.")
    replay_of = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="+", help_text="The letter that failed here again."
    )

    class Meta:
        get_latest_by = "failed_at"
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="dead_letter_has_reason")]
        indexes = [models.Index(fields=["-failed_at"], name="dead_letter_newest")]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}: {self.reason}"
