"""Answer a POST once per Idempotency-Key: a retry gets the first answer, another body 422, a call in flight 409."""

import hashlib
from collections.abc import Callable

from django.db import connection, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.problems import Problem
from catalog.models import ApiKey, IdempotencyRecord

MAX_KEY_LENGTH = 200
KEPT_HEADERS = ("Location",)


def answer_once(request: Request, answer: Callable[[], Response]) -> Response:
    """Run ``answer`` unless this caller's key was answered before.

    Record and effect are one transaction: after a crash either both exist or neither, and a retry is safe.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return answer()
    if not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        raise Problem("malformed-request", 400, f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable characters.")
    with transaction.atomic():
        owner = _owner(request)
        if not _lock(f"{owner}{request.path}{key}"):
            raise Problem("conflict", 409, "The first call with this Idempotency-Key is still in flight: retry later.")
        digest = hashlib.sha256(request.body).hexdigest()
        record = IdempotencyRecord.objects.filter(**owner, path=request.path, key=key).first()
        if record is not None:
            return _repeat(record, digest)
        response = answer()
        IdempotencyRecord.objects.create(
            **owner,
            path=request.path,
            key=key,
            body_sha256=digest,
            status=response.status_code,
            body=response.data,
            headers={name: response[name] for name in KEPT_HEADERS if name in response},
            started_at=timezone.now(),
        )
        return response


def _owner(request: Request) -> dict[str, int | None]:
    if isinstance(request.auth, ApiKey):
        return {"api_key_id": request.auth.pk, "user_id": None}
    return {"api_key_id": None, "user_id": request.user.pk}


def _lock(name: str) -> bool:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _repeat(record: IdempotencyRecord, digest: str) -> Response:
    if record.body_sha256 != digest:
        raise Problem(
            "idempotency-key-reused", 422, "Send a new Idempotency-Key for a new request, or the first body again."
        )
    return Response(record.body, status=record.status, headers={**record.headers, "Idempotent-Replayed": "true"})
