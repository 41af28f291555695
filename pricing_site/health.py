"""Liveness and readiness for load balancers and compose health checks."""

from django.db import OperationalError, connection
from django.http import HttpRequest, JsonResponse

from catalog.price_cache import cache_answers


def alive(request: HttpRequest) -> JsonResponse:
    """The process runs and answers."""
    return JsonResponse({"status": "alive"})


def ready(request: HttpRequest) -> JsonResponse:
    """Prices come from Redis or else from the database: one of them is enough, but the answer says what is away."""
    answers = {"database": _database_answers(), "cache": cache_answers()}
    status = "ready" if all(answers.values()) else "degraded" if any(answers.values()) else "unavailable"
    return JsonResponse({"status": status, **answers}, status=200 if any(answers.values()) else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return False
    return True
