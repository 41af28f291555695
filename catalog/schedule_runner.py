"""Apply schedules on time: sleep until the next start or end, or until somebody changes one."""

import logging
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from catalog.selectors.overrides import next_boundary
from catalog.services.apply_overrides import apply_due_overrides
from catalog.services.overrides import SCHEDULES

logger = logging.getLogger(__name__)

LONGEST_SLEEP = timedelta(seconds=30)  # clocks are set, and connections die in silence
BUSY_SLEEP = timedelta(seconds=0.2)  # something is due that another process works on
FAILED_SLEEP = timedelta(seconds=5)
BACK_OFF_SECONDS = (0.2, 0.5, 1, 2, 5)


class ScheduleRunner:
    """Runs until SIGTERM or SIGINT, which let the step in hand finish; goes on by itself after a lost database.

    Several at once are harmless: each leaves alone what another works on. Killed in the middle of a step, the step
    never was, and the next process takes it.
    """

    def __init__(self) -> None:
        self._stopped = False
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def stop(self, *_: Any) -> None:
        """End after the step in hand; safe to call in a signal handler."""
        self._stopped = True
        os.write(self._wake, b"x")

    def stop_by_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def run(self) -> None:
        failures = 0
        while not self._stopped:
            try:
                with _listening() as listener:
                    logger.info("Schedules are applied on time from now on")
                    while not self._stopped:
                        self._step(listener)
                        failures = 0
            except (DatabaseError, InterfaceError, psycopg.Error) as error:
                connection.close()
                seconds = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)]
                failures += 1
                logger.warning("The database does not answer; next attempt in %s s: %s", seconds, str(error).strip())
                self._sleep(seconds)

    def _step(self, listener: psycopg.Connection[Any]) -> None:
        # What changes after this line wakes the sleep below; what changed before it is seen here.
        listener.execute("SELECT 1")
        applied = apply_due_overrides(now=timezone.now())
        if applied:
            logger.info("Overrides: %s started, %s ended, %s refused", applied.started, applied.ended, applied.refused)
        self._sleep(_seconds_to_sleep(failed=bool(applied.failed)), listener)

    def _sleep(self, seconds: float, listener: psycopg.Connection[Any] | None = None) -> None:
        waited_for = [self._woken] if listener is None else [self._woken, listener.fileno()]
        select.select(waited_for, [], [], seconds)


def _seconds_to_sleep(*, failed: bool) -> float:
    boundary, now = next_boundary(), timezone.now()
    shortest = FAILED_SLEEP if failed else timedelta(0)
    until = LONGEST_SLEEP if boundary is None else min(boundary - now, LONGEST_SLEEP)
    if until <= timedelta(0):
        until = BUSY_SLEEP
    return max(until, shortest).total_seconds()


@contextmanager
def _listening() -> Iterator[psycopg.Connection[Any]]:
    """A connection of its own that hears of changed schedules: queries on it could swallow what it hears."""
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    with psycopg.connect(**parameters, autocommit=True) as listener:
        listener.execute(f"LISTEN {SCHEDULES}")
        yield listener
