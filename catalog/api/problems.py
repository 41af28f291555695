"""Errors as RFC 9457 problem+json: one shape, stable types, a pointer to each field and the cure in words."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
TITLES = {
    "validation-error": "The request has invalid fields",
    "malformed-request": "The request could not be read",
    "authentication-required": "A valid API key is required",
    "forbidden": "This API key may not do that",
    "not-found": "Not found",
    "method-not-allowed": "Method not allowed",
    "not-acceptable": "Not acceptable",
    "unsupported-media-type": "Unsupported media type",
    "conflict": "The request conflicts with another",
    "idempotency-key-reused": "This Idempotency-Key was used with another body",
    "precondition-failed": "The resource changed meanwhile",
    "precondition-required": "The request must say which state it is meant for",
    "payload-too-large": "The request is too large",
    "too-many-requests": "Too many requests",
    "unavailable": "The service is not available",
    "internal-error": "Internal error",
}


class Problem(exceptions.APIException):
    """Raise to answer with a problem of a given type; ``members`` are more that a program may want to read."""

    def __init__(
        self,
        kind: str,
        status_code: int,
        detail: str,
        *,
        pointer: str | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind, self.status_code, self.pointer, self.members = kind, status_code, pointer, members or {}


def problem_body(
    kind: str, status_code: int, detail: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"urn:pricing:problem:{kind}",
        "title": TITLES[kind],
        "status": status_code,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    return body


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Translate an exception of a view into a problem; DRF's exception handler. Unknown errors go on to Django."""
    if isinstance(error, Http404):
        error = exceptions.NotFound(str(error) or "No such resource.")
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, OperationalError):
        logger.exception("The database does not answer")
        error = Problem("unavailable", status.HTTP_503_SERVICE_UNAVAILABLE, "The database does not answer: try again.")
    if not isinstance(error, exceptions.APIException):
        return None
    body = problem_body(*_kind_and_status(error), _detail(error), list(_field_errors(error)))
    if isinstance(error, Problem):
        body |= error.members
    return Response(body, status=error.status_code, headers=_headers(error), content_type=CONTENT_TYPE)


def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    return JsonResponse(
        problem_body("not-found", 404, f"There is nothing at {request.path}: see /api/v1/docs/."),
        status=404,
        content_type=CONTENT_TYPE,
    )


def internal_error(request: HttpRequest) -> JsonResponse:
    return JsonResponse(
        problem_body("internal-error", 500, "The error was logged: try again, or tell the operators."),
        status=500,
        content_type=CONTENT_TYPE,
    )


KIND_OF_ERROR: list[tuple[type[exceptions.APIException], str]] = [
    (exceptions.ValidationError, "validation-error"),
    (exceptions.ParseError, "malformed-request"),
    (exceptions.AuthenticationFailed, "authentication-required"),
    (exceptions.NotAuthenticated, "authentication-required"),
    (exceptions.PermissionDenied, "forbidden"),
    (exceptions.NotFound, "not-found"),
    (exceptions.MethodNotAllowed, "method-not-allowed"),
    (exceptions.NotAcceptable, "not-acceptable"),
    (exceptions.UnsupportedMediaType, "unsupported-media-type"),
    (exceptions.Throttled, "too-many-requests"),
]


def _kind_and_status(error: exceptions.APIException) -> tuple[str, int]:
    if isinstance(error, Problem):
        return error.kind, error.status_code
    kind = next((kind for known, kind in KIND_OF_ERROR if isinstance(error, known)), "internal-error")
    return kind, error.status_code


def _detail(error: exceptions.APIException) -> str:
    if isinstance(error, exceptions.ValidationError):
        return "See errors for each field."
    return str(error.detail)


def problem_errors(error: exceptions.ValidationError, pointer: str) -> list[dict[str, str]]:
    """Return what is wrong with a part of a request, each with its pointer below the part's own."""
    return list(_flatten(error.detail, pointer))


def _field_errors(error: exceptions.APIException) -> Iterator[dict[str, str]]:
    if isinstance(error, Problem) and error.pointer:
        yield {"pointer": error.pointer, "detail": str(error.detail)}
    elif isinstance(error, exceptions.ValidationError):
        yield from _flatten(error.detail, "#")


def _flatten(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flatten(inner, pointer if name == "non_field_errors" else f"{pointer}/{_escaped(name)}")
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            if inner:
                yield from _flatten(inner, f"{pointer}/{index}" if nested else pointer)
    else:
        yield {"pointer": pointer, "detail": str(detail)}


def _escaped(name: Any) -> str:
    """Escape a name in a JSON pointer (RFC 6901, section 3)."""
    return str(name).replace("~", "~0").replace("/", "~1")


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    return headers
