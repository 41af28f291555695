"""Liveness and readiness for load balancers and compose health checks."""

from django.db import OperationalError, connection
from django.http import HttpRequest, JsonResponse

from catalog.price_cache import cache_answers


def alive(request: HttpRequest) -> JsonResponse:
    """The process runs and answers."""
    return JsonResponse({"status": "alive"})


def ready(request: HttpRequest) -> JsonResponse:
    """Ready while prices can be served: from the cache or, slower, from the database. Says which of them is away."""
    database, cache = _database_answers(), cache_answers()
    status = "ready" if database and cache else "degraded" if database or cache else "unavailable"
    answers = 503 if status == "unavailable" else 200
    return JsonResponse({"status": status, "database": database, "cache": cache}, status=answers)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return False
    return True
