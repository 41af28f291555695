import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

REMIND_SECONDS = 30.0
ASK_SECONDS = 1.0


def wait_until_nothing_is_missing(missing: Callable[[], str | None], stop: threading.Event) -> bool:
    """Ask once a second what is missing and say it, again when it changes or after 30 s; False if told to stop."""
    said, said_at = "", -REMIND_SECONDS
    while not stop.is_set():
        lack = missing()
        if lack is None:
            return True
        if lack != said or time.monotonic() - said_at > REMIND_SECONDS:
            log.warning("Waiting: %s", lack)
            said, said_at = lack, time.monotonic()
        stop.wait(ASK_SECONDS)
    return False
