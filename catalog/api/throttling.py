import time
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from catalog.models import ApiKey
from catalog.price_cache import redis_connection

WINDOW_SECONDS = 60


def window_key(caller: str, minute: int) -> str:
    return f"requests:{caller}:{minute}"


class ApiKeyThrottle(BaseThrottle):
    """At most ``API_REQUESTS_PER_MINUTE`` by one API key or person in a minute of the clock.

    One counter in Redis a caller and minute, which the gateway adds to as well; without Redis nobody is held back.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        caller = _caller(request)
        if caller is None:
            return True  # refused by its permissions
        key = window_key(caller, int(time.time() // WINDOW_SECONDS))
        try:
            pipeline = redis_connection()[0].pipeline()
            pipeline.incr(key)
            pipeline.expire(key, 2 * WINDOW_SECONDS)
            counted, _ = pipeline.execute()
        except RedisError:
            return True
        return bool(counted <= settings.API_REQUESTS_PER_MINUTE)

    def wait(self) -> float:
        return WINDOW_SECONDS - time.time() % WINDOW_SECONDS


def _caller(request: Request) -> str | None:
    if isinstance(request.auth, ApiKey):
        return f"key:{request.auth.pk}"
    return f"user:{request.user.pk}" if request.user else None
