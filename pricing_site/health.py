"""Liveness and readiness for load balancers and compose health checks."""

from django.db import OperationalError, connection
from django.http import HttpRequest, JsonResponse

from catalog.price_cache import cache_answers


def alive(request: HttpRequest) -> JsonResponse:
    """The process runs and answers."""
    return JsonResponse({"status": "alive"})


def ready(request: HttpRequest) -> JsonResponse:
    """Ready while the database answers; without Redis prices still come from it, slower, and this says so."""
    database, cache = _database_answers(), cache_answers()
    status = "unavailable" if not database else "ready" if cache else "degraded"
    return JsonResponse({"status": status, "database": database, "cache": cache}, status=200 if database else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return False
    return True
