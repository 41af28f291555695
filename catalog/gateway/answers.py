"""The header lines that all answers of the gateway share; the same ones that Django's middleware and DRF write."""

import json
import secrets
import zlib
from email.utils import formatdate
from typing import Any

from django.conf import settings
from rest_framework.exceptions import APIException

from catalog.api.problems import CONTENT_TYPE, problem_response

JSON = b"application/json"
GZIP_FROM_BYTES = 1_024
GZIP_LEVEL = 1  # a batch of 100: 31 kB become 2.5 kB in 0.2 ms; level 6 takes three times as long and saves a fifth

Headers = list[tuple[bytes, bytes]]


def security_headers(*, secure: bool) -> Headers:
    """Return what Django's SecurityMiddleware and XFrameOptionsMiddleware add under these settings."""
    headers = [(b"x-frame-options", settings.X_FRAME_OPTIONS.encode())]
    if settings.SECURE_CONTENT_TYPE_NOSNIFF:
        headers.append((b"x-content-type-options", b"nosniff"))
    if settings.SECURE_REFERRER_POLICY:
        headers.append((b"referrer-policy", settings.SECURE_REFERRER_POLICY.encode()))
    if settings.SECURE_CROSS_ORIGIN_OPENER_POLICY:
        headers.append((b"cross-origin-opener-policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY.encode()))
    if secure and settings.SECURE_HSTS_SECONDS:
        value = f"max-age={settings.SECURE_HSTS_SECONDS}"
        value += "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
        value += "; preload" if settings.SECURE_HSTS_PRELOAD else ""
        headers.append((b"strict-transport-security", value.encode()))
    return headers


class Heads:
    """The lines that begin every answer in this second, up to the request's id."""

    def __init__(self, *, secure: bool) -> None:
        fixed = [*security_headers(secure=secure), (b"allow", b"GET, HEAD, OPTIONS")]
        self.lines = b"".join(b"%s: %s\r\n" % header for header in fixed)
        self.found = self.unchanged = b""

    def renew(self, unix_time: float) -> None:
        rest = b"date: %s\r\n%scache-control: private, no-cache\r\n" % (
            formatdate(unix_time, usegmt=True).encode(),
            self.lines,
        )
        self.found = b"HTTP/1.1 200 OK\r\n%scontent-type: application/json\r\nx-request-id: " % rest
        self.unchanged = b"HTTP/1.1 304 Not Modified\r\n%sx-request-id: " % rest


class RequestIds:
    """Names for requests that bring none: a random part for the process, and a number."""

    def __init__(self) -> None:
        self.prefix = secrets.token_hex(6).encode() + b"-"
        self.number = 0

    def next(self) -> bytes:
        self.number += 1
        return b"%s%x" % (self.prefix, self.number)


def problem(error: APIException) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of an error exactly as a view would answer it."""
    response = problem_response(error, {})
    assert response is not None
    headers = [(name.lower().encode(), str(value).encode()) for name, value in response.headers.items()]
    headers = [(name, value) for name, value in headers if name != b"content-type"]
    return response.status_code, [(b"content-type", CONTENT_TYPE.encode()), *headers], as_json(response.data)


def as_json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def gzipped(body: bytes) -> bytes:
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return packer.compress(body) + packer.flush()
