"""A thread that has a process's chores done while the process decides and learns."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import numpy as np
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from experiments.services.choices import choices_since, newest_choice_id
from experiments.services.plan_choices import ChoicePlanner
from optimizer.services.refresh_features import refresh_online_features
from streaming.handlers import Memory

log = logging.getLogger(__name__)

LEAST_PAUSE_SECONDS = 1.0
REST = 2.0
"""Pauses so many times as long as the chores took: they take a third of one core at most."""
CLOSE_SECONDS = 4.0


class Chores(Protocol):
    """Plan what contexts choose from, and write the online features of listings."""

    def do(self, context_ids: Collection[int], listing_ids: Collection[int]) -> None: ...

    def close(self) -> None: ...


class OwnChores:
    """Does the chores itself."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.planner = ChoicePlanner(rng=rng)

    def do(self, context_ids: Collection[int], listing_ids: Collection[int]) -> None:
        self.planner.plan(context_ids, now=timezone.now())
        if listing_ids:
            refresh_online_features(listing_ids=sorted(listing_ids), now=timezone.now())

    def close(self) -> None:
        connection.close()


class ChildChores:
    """Has a process of its own do them, on another core: in ours they would keep decisions waiting for the interpreter.

    The child reads a line of JSON, does what it says and answers with a line; it ends when we do, because its input
    ends. One that was killed is started again for the next line.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def do(self, context_ids: Collection[int], listing_ids: Collection[int]) -> None:
        child = self._running()
        assert child.stdin and child.stdout, "both are pipes"
        print(
            json.dumps({"contexts": sorted(context_ids), "listings": sorted(listing_ids)}), file=child.stdin, flush=True
        )
        if not child.stdout.readline():
            raise OSError(f"the process that plans has ended with code {child.wait()}")

    def _running(self) -> "subprocess.Popen[str]":
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(  # noqa: S603  our own command
                [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "plan_choices"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # a ^C is for us: we let the child finish
            )
        return self._child

    def close(self) -> None:
        if self._child is not None:
            self._child.terminate()
            self._child.wait()


class Background:
    """Has chores done again and again until it is closed, and lets the process decide by what was planned.

    What fails is logged and asked for again with the next round.
    """

    def __init__(self, memory: Memory, chores: Chores) -> None:
        self._memory, self._chores = memory, chores
        self._newest: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Break off the chore under way, which the database undoes; write the features that are still to be written."""
        self._stop.set()
        self._chores.close()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        if listings := self._memory.pending.take():
            try:
                refresh_online_features(listing_ids=sorted(listings), now=timezone.now())
            except DatabaseError as error:
                log.warning("Online features are left to the next refresh: %s", str(error).splitlines()[0])

    def _run(self) -> None:
        pause = LEAST_PAUSE_SECONDS
        while not self._stop.wait(pause):
            began = time.monotonic()
            self._round()
            pause = max(LEAST_PAUSE_SECONDS, REST * (time.monotonic() - began))
        connection.close()

    def _round(self) -> None:
        contexts, listings = self._memory.book.touched.take(), self._memory.pending.take()
        try:
            if self._newest is None:
                self._newest = newest_choice_id()
            if contexts or listings:
                self._chores.do(contexts, listings)
            # Also those that another process has planned.
            if news := choices_since(self._newest):
                self._memory.book.keep(news)
                self._newest = news[-1].set_id
        except Exception as error:
            self._memory.book.touched.add(contexts)
            self._memory.pending.add(listings)
            if self._stop.is_set():
                return
            if isinstance(error, DatabaseError | OSError):
                log.warning("Put off: %s", str(error).splitlines()[0])
            else:
                log.exception("Put off.")
            connection.close()
