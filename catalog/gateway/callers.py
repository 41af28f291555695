"""Who calls: what an API key may do, and how often. Counts are kept here and added up in Redis over all processes."""

import json
import time
from typing import Any

from django.conf import settings

from catalog.api.throttling import WINDOW_SECONDS, window_key
from catalog.cached_values import CachedValue
from catalog.gateway.link import LinkLost, RedisLink

KEPT_SECONDS = 2 * WINDOW_SECONDS


class Window:
    """Requests of one API key in this minute: ``spent`` by all processes as far as known, ``unsent`` of them ours."""

    __slots__ = ("key_id", "spent", "unsent")

    def __init__(self, key_id: int) -> None:
        self.key_id, self.spent, self.unsent = key_id, 0, 0

    def take(self, limit: int) -> bool:
        """Count a request and tell whether it is within the limit."""
        self.spent += 1
        self.unsent += 1
        return self.spent <= limit


class Caller:
    """An API key that is known and not revoked."""

    __slots__ = ("reads_prices", "refresh_at", "scopes", "window")

    def __init__(self, value: CachedValue, windows: "Windows") -> None:
        content = json.loads(value.content)
        self.scopes: frozenset[str] = frozenset(content["scopes"])
        self.reads_prices = "prices:read" in self.scopes
        self.refresh_at = value.refresh_at
        self.window = windows.of(content["id"])


class Windows:
    """The windows of all keys that called this process."""

    def __init__(self) -> None:
        self.limit: int = settings.API_REQUESTS_PER_MINUTE
        self.minute = int(time.time() // WINDOW_SECONDS)
        self.by_key: dict[int, Window] = {}

    def of(self, key_id: int) -> Window:
        return self.by_key.setdefault(key_id, Window(key_id))

    def synchronise(self, link: RedisLink) -> None:
        """Add what this process counted to Redis, and learn what all did; called some twenty times a second.

        Without Redis each process goes on with its own counts.
        """
        minute = int(time.time() // WINDOW_SECONDS)
        if minute != self.minute:
            self.minute = minute
            for window in self.by_key.values():
                window.spent = window.unsent = 0
        if not link.is_alive:
            return
        for window in self.by_key.values():
            if window.unsent:
                self._send(link, window)

    def _send(self, link: RedisLink, window: Window) -> None:
        name, minute = window_key(f"key:{window.key_id}", self.minute), self.minute

        def added(total: Any) -> None:
            if isinstance(total, int) and minute == self.minute:
                window.spent = total + window.unsent

        sent, window.unsent = window.unsent, 0
        try:
            link.call(b"INCRBY", name, sent, reply=added)
            link.call(b"EXPIRE", name, KEPT_SECONDS, reply=lambda reply: None)
        except LinkLost:
            window.unsent += sent
