"""Open the runs that a schedule asks for. Web processes may load this file: it must not lead to the engine."""

import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

from optimizer.models import OptimizationRun, RunSchedule
from optimizer.services.open_run import CannotOptimize, open_run

logger = logging.getLogger(__name__)

GRACE = timedelta(hours=6)
"""A run that nobody could open for so long is left out: prices are not moved in the middle of a day."""


def open_due_runs(*, now: datetime) -> list[UUID]:
    """Open today's run of every schedule whose time has come, once, and return those that were opened.

    A run's key names its channel and day, so that two who open it open the same. One that failed stays failed.
    """
    opened = []
    for schedule in RunSchedule.objects.filter(is_active=True).select_related("channel"):
        due = due_time(schedule, now)
        if schedule.created_at > due or now - due > GRACE:
            continue
        key = f"daily:{schedule.channel.code}:{due:%Y-%m-%d}"
        if OptimizationRun.objects.filter(key=key).exists():
            continue
        try:
            run = open_run(channel=schedule.channel, objective=schedule.objective, key=key, now=now)
        except CannotOptimize as error:
            logger.warning("The daily run cannot be opened: %s", error)
            continue
        opened.append(run.pk)
    return opened


def due_time(schedule: RunSchedule, now: datetime) -> datetime:
    """Return when the schedule's time came last."""
    today = datetime.combine(now.astimezone(UTC).date(), schedule.at, UTC)
    return today if today <= now else today - timedelta(days=1)
