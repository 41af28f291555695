"""The wire: answer on the spot what can be answered from memory, and cut off clients that are too slow.

Uvicorn's own protocol does all the rest. A request is answered here only if it arrived whole, nothing before it on the
connection is unanswered, its header lines are plain (`catalog.gateway.requests`), and key and price are at hand and
trusted. That takes a few microseconds in place of the quarter of a millisecond of an ASGI call.
"""

import asyncio
from time import monotonic
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from catalog.gateway.callers import Caller
from catalog.gateway.gateway import Gateway
from catalog.gateway.prices import PriceAnswer, PriceItem
from catalog.gateway.requests import PRICES, RequestHead

START: Final = b"GET " + PRICES
TARGET_AT: Final = len(b"GET ")
HTTP_11: Final = b" HTTP/1.1\r\n"
LINE_END_AT: Final = len(HTTP_11) - 2
END: Final = b"\r\n\r\n"

HEAD_SECONDS = 10.0  # for the header lines to arrive
BODY_SECONDS = 60.0  # for the rest
UNREAD_SECONDS = 30.0  # for a client to take its answer
IDLE_SECONDS = 75.0  # between requests; longer than load balancers keep theirs
MOST_HEAD_BYTES = 65_536
SWEEP_SECONDS = 1.0

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class GatewayProtocol(HttpToolsProtocol):
    """One connection."""

    open_connections: Final[set["GatewayProtocol"]] = set()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.head_began: float | None = None  # of a request of which the header lines are not all there
        self.body_began: float | None = None
        self.unread_since: float | None = None
        self.head_bytes = 0
        self.last_active = monotonic()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.open_connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.open_connections.discard(self)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self.last_active = started = monotonic()
        if self.head_began is None and self.body_began is None:
            while data.startswith(START) and self._is_free():
                end = data.find(END)
                if end < 0 or not self._answered(data[: end + 4] if len(data) > end + 4 else data, started):
                    break
                data = data[end + 4 :]
                if not data:
                    return
            self.head_began = started
            self.head_bytes = 0
        self.head_bytes += len(data)
        super().data_received(data)
        if self.head_began is not None and self.head_bytes > MOST_HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)

    def pause_writing(self) -> None:
        self.unread_since = monotonic()
        super().pause_writing()
        self.flow.pause_reading()  # whoever does not read what was answered asks for no more

    def resume_writing(self) -> None:
        self.unread_since = None
        super().resume_writing()
        self.flow.resume_reading()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self.head_began = self.last_active
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.head_began, self.body_began = None, self.last_active
        self.head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.body_began = None
        super().on_message_complete()

    # answers on the spot

    def _is_free(self) -> bool:
        """Whether nothing is unanswered and the client takes what it is sent."""
        return (self.cycle is None or self.cycle.response_complete) and self.unread_since is None

    def _answered(self, request: bytes, started: float) -> bool:
        gateway = Gateway.running
        if gateway is None or started >= gateway.cache.link.trusted_until or self.transport.is_closing():
            return False
        line_end = request.find(HTTP_11)
        if line_end < 0:
            return False
        head = gateway.blocks.head_of(request[line_end + LINE_END_AT :])
        target = gateway.targets.target_of(request[TARGET_AT:line_end])
        if head is None or target is None:
            return False
        caller, item = gateway.cache.held.get(head.api_key), gateway.cache.held.get(target.name)
        now = gateway.unix_time
        if (
            type(caller) is not Caller
            or type(item) is not PriceItem
            or caller.refresh_at < now
            or item.refresh_at < now
            or not caller.reads_prices
            or caller.window.spent >= gateway.windows.limit
        ):
            return False
        caller.window.take(gateway.windows.limit)
        self._write(gateway, head, item.fixed or item.answer(target.region, now), started)
        return True

    def _write(self, gateway: Gateway, head: RequestHead, answer: PriceAnswer, started: float) -> None:
        heads = gateway.heads[head.secure]
        request_id = head.request_id or gateway.request_ids.next()
        if head.etags and head.has(answer.etag):
            self.transport.write(b"".join((heads.unchanged, request_id, b"\r\netag: ", answer.etag, END)))
            gateway.unchanged_tally.observe(monotonic() - started)
        else:
            valid_until = gateway.valid_until
            if answer.slot_ends is not None:
                valid_until = answer.valid_until(valid_until, gateway.unix_time, gateway.ttl)
            self.transport.write(
                b"".join((heads.found, request_id, b"\r\n", answer.head_and_before, valid_until, answer.after))
            )
            gateway.found_tally.observe(monotonic() - started)
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        gateway.cache.sources["process"] += 1

    # slow clients

    def _refuse(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._is_free():
            self.transport.write(answer)
        self.transport.close()

    def sweep(self, now: float) -> None:
        """Close the connection if its client is too slow, or silent for too long."""
        if _is_past(self.head_began, HEAD_SECONDS, now) or _is_past(self.body_began, BODY_SECONDS, now):
            self._refuse(TOO_SLOW)
        elif _is_past(self.unread_since, UNREAD_SECONDS, now):
            self.transport.abort()
        elif self._is_free() and self.head_began is None and _is_past(self.last_active, IDLE_SECONDS, now):
            self.transport.close()


def _is_past(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since > seconds


async def sweep_connections() -> None:
    """Look after slow clients until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = monotonic()
        for connection in list(GatewayProtocol.open_connections):
            connection.sweep(now)
