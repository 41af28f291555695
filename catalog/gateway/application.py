"""The ASGI application before Django: answers price requests that have to wait, and hands all else on.

What it answers has the same contract as the views of `catalog.api.views`; a request that is not plain, or a body that
is not valid, is theirs to answer. It also limits bodies and names every request, whoever answers it.
"""

import asyncio
import contextlib
import gc
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from time import perf_counter
from typing import Any

from django.conf import settings
from rest_framework.exceptions import APIException

from catalog.api.problems import Problem
from catalog.api.serializers import MAX_BATCH
from catalog.api.views import unknown_sku
from catalog.cached_values import price_name
from catalog.gateway import answers
from catalog.gateway.cache import NoSource
from catalog.gateway.gateway import Gateway
from catalog.gateway.prices import PriceItem
from catalog.gateway.protocol import sweep_connections
from catalog.gateway.requests import BATCH_PATH, CHANNEL, REGION, Heads, RequestHead, Target, target_of
from catalog.tasks import warm_price_cache

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, answers.Headers, bytes]

GZIP_IN_THREAD_FROM_BYTES = 100_000
ALLOWED = {"price": b"GET, HEAD, OPTIONS", "batch": b"POST, OPTIONS"}


class BodyTooLarge(Exception):
    """More bytes came than a body may have."""


class GatewayApplication:
    """Wraps Django's ASGI application."""

    def __init__(self, django: Application) -> None:
        self.django = django
        self.gateway: Gateway | None = None
        self.background: set[asyncio.Task[Any]] = set()
        self.names = answers.RequestIds()
        self.heads = Heads()
        self.fixed_headers = {
            (endpoint, secure): [(b"allow", allowed), *answers.security_headers(secure=secure)]
            for endpoint, allowed in ALLOWED.items()
            for secure in (False, True)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            raise ValueError(f"No {scope['type']} connections here.")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.gateway = Gateway()
        self.gateway.start()
        # Held prices are many and live long: the collector need not look through them again and again.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        self._keep(sweep_connections())
        self._keep(asyncio.to_thread(_ask_for_warm_up))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in self.background:
            task.cancel()
        await self.gateway.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        head = self.heads.head_of(scope["headers"], scope["scheme"])
        send = _naming(send, head.request_id or self.names.next())
        try:
            if head.length.isdigit() and int(head.length) > settings.MAX_REQUEST_BYTES:
                raise BodyTooLarge
            receive = _limited(receive)
            if self.gateway and head.is_plain and await self._answer(scope, receive, send, head, started):
                return
            await self.django(scope, receive, send)
        except BodyTooLarge:
            limit = settings.MAX_REQUEST_BYTES
            error = Problem("payload-too-large", 413, f"A request may have {limit:,} bytes: send it in parts.")
            await _send(send, answers.problem(error), head, close=True)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, head: RequestHead, started: float) -> bool:
        """Answer a price request; False where it is Django's, which then gets the body from ``receive``."""
        assert self.gateway is not None
        if scope["method"] in ("GET", "HEAD") and not head.has_body:
            target = target_of(scope["raw_path"], scope["query_string"])
            if target is None:
                return False
            endpoint, answer = "price", self._price(head, target)
        elif scope["method"] == "POST" and scope["path"] == BATCH_PATH and not scope["query_string"] and head.is_json:
            body = await _whole(receive)
            wanted = _batch(body)
            if wanted is None:
                await self.django(scope, _replayed(body, receive), send)
                return True
            endpoint, answer = "batch", self._batch(head, *wanted)
        else:
            return False
        status, headers, body = await _or_problem(answer)
        await _send(send, (status, headers + self.fixed_headers[endpoint, head.secure], body), head)
        self.gateway.metrics.tally(endpoint, status).observe(perf_counter() - started)
        return True

    async def _price(self, head: RequestHead, target: Target) -> Answer:
        gateway = self.gateway
        assert gateway is not None
        await gateway.admit(head)
        item = (await gateway.cache.get([target.name]))[target.name]
        if not isinstance(item, PriceItem):
            raise unknown_sku(target.sku, target.channel)
        answer = item.answer(target.region, gateway.unix_time)
        headers = [(b"cache-control", b"private, no-cache"), (b"etag", answer.etag)]
        if head.has(answer.etag):
            return 304, headers, b""
        valid_until = answer.valid_until(gateway.valid_until, gateway.unix_time, gateway.ttl)
        return 200, [*headers, (b"content-type", answers.JSON)], answer.body(valid_until)

    async def _batch(self, head: RequestHead, skus: Sequence[str], channel: str, region: str | None) -> Answer:
        gateway = self.gateway
        assert gateway is not None
        await gateway.admit(head)
        prefix = price_name(channel, "")
        names = [prefix + sku.encode() for sku in skus]
        at_hand = self._fixed_at_hand(names)
        if at_hand is not None:
            return 200, [(b"content-type", answers.JSON)], b'{"prices":[%s],"unknown_skus":[]}' % at_hand
        items = await gateway.cache.get(names)
        usual, now, ttl = gateway.valid_until, gateway.unix_time, gateway.ttl
        prices, unknown = [], []
        for name, sku in zip(names, skus, strict=True):
            item = items[name]
            if isinstance(item, PriceItem):
                answer = item.answer(region, now)
                prices.append(answer.body(answer.valid_until(usual, now, ttl)))
            else:
                unknown.append(sku)
        body = b'{"prices":[%s],"unknown_skus":%s}' % (b",".join(prices), answers.as_json(unknown))
        return 200, [(b"content-type", answers.JSON)], body

    def _fixed_at_hand(self, names: Sequence[bytes]) -> bytes | None:
        """Return all prices as JSON, joined, where each is held and the same for everybody; else None."""
        gateway = self.gateway
        assert gateway is not None
        if not gateway.cache.is_trusted:
            return None
        now, parts = gateway.unix_time, []
        for item in map(gateway.cache.held.get, names):
            if type(item) is not PriceItem or item.fixed is None or item.refresh_at < now:
                return None
            parts.append(item.fixed.before)
        gateway.cache.sources["process"] += len(parts)
        end = gateway.valid_until + b'"}'
        return (end + b",").join(parts) + end


async def _or_problem(answer: Awaitable[Answer]) -> Answer:
    try:
        return await answer
    except APIException as error:
        return answers.problem(error)
    except NoSource:
        return answers.problem(
            Problem("unavailable", 503, "Neither the cache nor the database answers: try again in a moment.")
        )


async def _send(send: Send, answer: Answer, head: RequestHead, *, close: bool = False) -> None:
    status, headers, body = answer
    if len(body) >= answers.GZIP_FROM_BYTES and head.accepts_gzip:
        in_thread = len(body) >= GZIP_IN_THREAD_FROM_BYTES
        body = await asyncio.to_thread(answers.gzipped, body) if in_thread else answers.gzipped(body)
        headers = [*headers, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _batch(body: bytes) -> tuple[list[str], str, str | None] | None:
    """Return SKUs without repetition, channel and region of a valid body; None where a view must say what is wrong."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.keys() - {"skus", "channel", "region"}:
        return None
    skus, channel, region = content.get("skus"), content.get("channel", settings.DEFAULT_CHANNEL), content.get("region")
    if not isinstance(skus, list) or not 0 < len(skus) <= MAX_BATCH or not _are_plain(skus):
        return None
    if not isinstance(channel, str) or not CHANNEL.match(channel.encode("utf-8", "replace")):
        return None
    if "region" in content and not (isinstance(region, str) and REGION.match(region.encode("utf-8", "replace"))):
        return None
    return list(dict.fromkeys(skus)), channel, region


def _are_plain(skus: list[Any]) -> bool:
    """Whether all are texts that a view would take as they are."""
    if set(map(type, skus)) != {str}:
        return False
    together = "".join(skus)
    if not together.isascii() or not together.isprintable() or not 0 < min(map(len, skus)) <= max(map(len, skus)) <= 64:
        return False
    return " " not in together or all(sku == sku.strip() for sku in skus)


async def _whole(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a receiver that brings a body which was already read."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return replay


def _limited(receive: Receive) -> Receive:
    """Return a receiver that raises BodyTooLarge where more comes than was announced or may come."""
    received = 0

    async def count() -> MutableMapping[str, Any]:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > settings.MAX_REQUEST_BYTES:
            raise BodyTooLarge
        return message

    return count


def _naming(send: Send, request_id: bytes) -> Send:
    """Return a sender that puts the request's name on its answer."""

    async def name(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id)]
        await send(message)

    return name


def _ask_for_warm_up() -> None:
    """Have a worker fill a cold cache; where the queue is away, beat asks again within a minute."""
    with contextlib.suppress(Exception):
        warm_price_cache.apply_async(retry=False)
