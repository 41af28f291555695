"""Keys that one thread notes and another takes."""

import threading
from collections.abc import Iterable


class Touched:
    """A set of keys that is handed over whole."""

    def __init__(self) -> None:
        self._keys: set[int] = set()
        self._lock = threading.Lock()

    def add(self, keys: Iterable[int]) -> None:
        with self._lock:
            self._keys.update(keys)

    def take(self) -> set[int]:
        """Return what was added since the last call."""
        with self._lock:
            taken, self._keys = self._keys, set()
        return taken
