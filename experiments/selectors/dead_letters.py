from datetime import datetime

from django.db.models import QuerySet

from experiments.models import DeadLetter


def waiting_letters(
    *, reason: str | None = None, topic: str | None = None, since: datetime | None = None
) -> QuerySet[DeadLetter]:
    """Return the letters that were not sent once more, oldest first."""
    rows = DeadLetter.objects.filter(replayed_at=None).order_by("pk")
    if reason is not None:
        rows = rows.filter(reason=reason)
    if topic is not None:
        rows = rows.filter(topic=topic)
    return rows if since is None else rows.filter(failed_at__gte=since)
