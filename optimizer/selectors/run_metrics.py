"""What Prometheus is told of optimisation runs: read from their rows, so that no worker has to be asked."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Sum

from optimizer.models import OptimizationRun, RunChunk


@dataclass(frozen=True)
class BatchTimes:
    """How many chunks a device computed, and in how many seconds together."""

    device: str
    chunks: int
    seconds: float


def batch_times() -> list[BatchTimes]:
    """Return the time of all chunks that are kept, by device."""
    rows = RunChunk.objects.filter(finished_at__isnull=False).values("run__device").order_by("run__device")
    counted = rows.annotate(chunks=Count("pk"), total=Sum("seconds"))
    return [BatchTimes(row["run__device"] or "unknown", row["chunks"], float(row["total"] or 0.0)) for row in counted]


def newest_runs() -> Iterator[OptimizationRun]:
    """Yield the newest finished run of each channel that was meant to publish."""
    finished = OptimizationRun.objects.filter(finished_at__isnull=False, publishes=True)
    yield from finished.select_related("channel").order_by("channel_id", "-created_at").distinct("channel_id")
