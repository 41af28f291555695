import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from catalog.models import ApiKey

WINDOW_SECONDS = 60


class ApiKeyThrottle(BaseThrottle):
    """At most ``API_REQUESTS_PER_MINUTE`` by one API key or person in a minute of the clock.

    One counter in Redis a caller and minute, so that thousands of requests a second cost one increment each; without
    Redis nobody is held back.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        caller = _caller(request)
        if caller is None:
            return True  # refused by its permissions
        key = f"requests:{caller}:{int(time.time() // WINDOW_SECONDS)}"
        try:
            cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
            return cache.incr(key) <= settings.API_REQUESTS_PER_MINUTE
        except (RedisError, ValueError):  # ValueError: evicted between the two calls
            return True

    def wait(self) -> float:
        return WINDOW_SECONDS - time.time() % WINDOW_SECONDS


def _caller(request: Request) -> str | None:
    if isinstance(request.auth, ApiKey):
        return f"key:{request.auth.pk}"
    return f"user:{request.user.pk}" if request.user else None
