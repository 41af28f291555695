import signal
import threading


def event_set_by_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set, instead of what they did before."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
