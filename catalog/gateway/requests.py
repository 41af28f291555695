"""Which requests the gateway serves itself. What is not surely one of them goes to Django, which has all the rules.

So the gateway repeats no validation: it knows the plain form of a good request, and whatever is odd, wrong or rare gets
its answer, or its error, from the same views as ever.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import httptools
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from catalog.arms import REGION_PATTERN
from catalog.cached_values import api_key_name

MOST_KNOWN_BLOCKS = 4_096
MOST_KNOWN_TARGETS = 100_000
LONGEST_KNOWN_BLOCK = 2_048
PLAIN_SKU = re.compile(rb"[!-.0-~](?:[ -.0-~]{0,62}[!-.0-~])?\Z")  # 1 to 64 printable, no slash, no outer space
CHANNEL = re.compile(rb"[A-Za-z0-9_-]{1,64}\Z")
REGION = re.compile(REGION_PATTERN.encode() + rb"\Z")
REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:/+=@-]{1,128}\Z")
JSON_RANGES = frozenset({b"*/*", b"application/*", b"application/json"})
JSON_TYPES = frozenset({b"application/json", b"application/json;charset=utf-8", b"application/json; charset=utf-8"})
ONCE = frozenset({b"host", b"authorization", b"content-length", b"content-type", b"x-request-id", b"if-none-match"})
LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


class RequestHead:
    """What the headers say that matters here. ``is_plain``: nothing in them asks for more than the gateway knows."""

    __slots__ = (
        *("accepts_gzip", "api_key", "digest", "etags", "has_body", "is_json", "is_plain", "keeps_alive", "length"),
        *("request_id", "secure"),
    )

    def __init__(self, headers: Iterable[tuple[bytes, bytes]], *, scheme: str = "http") -> None:
        found: dict[bytes, bytes] = {}
        self.is_plain = True
        for name, value in headers:
            if name in found and name in ONCE:
                self.is_plain = False
            found[name] = found[name] + b"," + value if name in found else value
        self.digest = _digest(found.get(b"authorization", b""))
        self.api_key = api_key_name(self.digest or "")
        self.etags = _etags(found.get(b"if-none-match", b""))
        self.has_body = found.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in found
        self.length = found.get(b"content-length", b"")
        self.is_json = found.get(b"content-type", b"").lower() in JSON_TYPES
        self.accepts_gzip = b"gzip" in {coding.strip() for coding in found.get(b"accept-encoding", b"").split(b",")}
        self.keeps_alive = b"close" not in found.get(b"connection", b"").lower()
        request_id = found.get(b"x-request-id", b"")
        self.request_id = request_id if REQUEST_ID.match(request_id) else b""
        self.secure = scheme == "https" or _is_secure_by_proxy(found)
        self.is_plain = (
            self.is_plain
            and self.digest is not None
            and self.etags is not None
            and (self.secure or not settings.SECURE_SSL_REDIRECT)
            and not found.keys() & {b"expect", b"upgrade", b"if-match"}
            and _accepts_json(found.get(b"accept", b"*/*"))
            and _is_our_host(found.get(b"host", b""))
        )

    def has(self, etag: bytes) -> bool:
        """Tell whether If-None-Match names this version."""
        return self.etags is not None and (etag in self.etags or b"*" in self.etags)


def _digest(authorization: bytes) -> str | None:
    kind, _, key = authorization.partition(b" ")
    if kind.lower() != b"bearer" or not key or not key.isascii():
        return None
    return hashlib.sha256(key.strip()).hexdigest()


def _etags(text: bytes) -> frozenset[bytes] | None:
    """Return the tags of a plain list, without their weakness; None where it is none."""
    if not text:
        return frozenset()
    tags = [tag.strip().removeprefix(b"W/") for tag in text.split(b",")]
    plain = all(tag == b"*" or (len(tag) > 1 and tag[:1] == tag[-1:] == b'"') for tag in tags)
    return frozenset(tags) if plain else None


def _is_secure_by_proxy(headers: dict[bytes, bytes]) -> bool:
    if not settings.SECURE_PROXY_SSL_HEADER:
        return False
    name, value = settings.SECURE_PROXY_SSL_HEADER
    given = headers.get(name.removeprefix("HTTP_").replace("_", "-").lower().encode(), b"")
    return given.split(b",", 1)[0].strip() == value.encode()


def _accepts_json(accept: bytes) -> bool:
    return any(each.partition(b";")[0].strip() in JSON_RANGES for each in accept.split(b","))


def _is_our_host(host: bytes) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    allowed = settings.ALLOWED_HOSTS or (LOCAL_HOSTS if settings.DEBUG else [])
    return bool(domain) and validate_host(domain, allowed)


class _HeaderCollector:
    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.is_complete = True


class HeadBlocks:
    """Heads of requests by the bytes of their header lines: a client sends the same ones again and again."""

    def __init__(self) -> None:
        self.known: dict[bytes, RequestHead | None] = {}

    def head_of(self, block: bytes) -> RequestHead | None:
        """Return what a block of header lines says; None where it is not a plain request's.

        ``block`` begins with the line end of the request line and ends with the empty line.
        """
        try:
            return self.known[block]
        except KeyError:
            pass
        head = _parsed(block)
        if len(block) <= LONGEST_KNOWN_BLOCK and not (head and head.request_id):  # which will not be seen again
            if len(self.known) >= MOST_KNOWN_BLOCKS:
                self.known.clear()
            self.known[block] = head
        return head


def _parsed(block: bytes) -> RequestHead | None:
    collector = _HeaderCollector()
    parser = httptools.HttpRequestParser(collector)
    try:
        parser.feed_data(b"GET / HTTP/1.1" + block)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if not collector.is_complete:
        return None
    head = RequestHead(collector.headers)
    return head if head.is_plain and head.keeps_alive and not head.has_body else None


PRICES: Final = b"/api/v1/prices/"
BATCH_PATH: Final = "/api/v1/prices:batch"


class Heads:
    """Heads of requests that came through ASGI, parsed once."""

    def __init__(self) -> None:
        self.known: dict[tuple[Any, ...], RequestHead] = {}

    def head_of(self, headers: list[tuple[bytes, bytes]], scheme: str) -> RequestHead:
        key = (scheme, *headers)
        head = self.known.get(key)
        if head is None:
            head = RequestHead(headers, scheme=scheme)
            if len(self.known) >= MOST_KNOWN_BLOCKS:
                self.known.clear()
            if not head.request_id and sum(map(len, map(b"".join, headers))) <= LONGEST_KNOWN_BLOCK:
                self.known[key] = head
        return head


class Targets:
    """What is asked for by the bytes of the request line, parsed once."""

    def __init__(self) -> None:
        self.known: dict[bytes, Target | None] = {}

    def target_of(self, text: bytes) -> "Target | None":
        try:
            return self.known[text]
        except KeyError:
            pass
        path, _, query = text.partition(b"?")
        target = target_of(path, query)
        if len(text) <= LONGEST_KNOWN_BLOCK:
            if len(self.known) >= MOST_KNOWN_TARGETS:
                self.known.clear()
            self.known[text] = target
        return target


class Target(NamedTuple):
    """A price asked for. ``name``: under which it is cached."""

    name: bytes
    channel: str
    sku: str
    region: str | None


def target_of(raw_path: bytes, query: bytes) -> Target | None:
    """Return what ``GET /api/v1/prices/{sku}?channel=&region=`` asks for; None where it is anything but that."""
    sku = raw_path.removeprefix(PRICES)
    if len(sku) == len(raw_path):
        return None
    if b"%" in sku:
        sku = unquote_to_bytes(sku)
    if not PLAIN_SKU.match(sku):
        return None
    channel, region = settings.DEFAULT_CHANNEL.encode(), None
    seen = set()
    for part in query.split(b"&") if query else ():
        name, _, value = part.partition(b"=")
        if name in seen:
            return None
        seen.add(name)
        if name == b"channel" and CHANNEL.match(value):
            channel = value
        elif name == b"region" and REGION.match(value):
            region = value.decode()
        else:
            return None
    return Target(b"p:%s:%s" % (channel, sku), channel.decode(), sku.decode(), region)
