"""The connection to Redis that says what has changed: RESP3 client tracking, fenced by heartbeats.

Redis remembers which names this connection read and announces every change of them on the same connection, in order.
So when the answer to a heartbeat arrives, every change that Redis made before that heartbeat has been announced. What
was read over the link may be used without asking while ``trusted_until`` lies ahead, and no longer: a connection
that hangs half-open, or a process that was not scheduled, goes on to use nothing.
"""

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic  # the loop's own clock stands still during a turn of it
from typing import Any

import hiredis
from redis.asyncio.connection import parse_url

from catalog.cached_values import STORE_SCRIPT

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 0.015
TRUST_SECONDS = 0.075  # after a heartbeat was sent; with the way from Redis to here below 100 ms
ALIVE_SECONDS = 0.5  # without an answer for so long, Redis is not asked any more
DEAD_SECONDS = 2.0  # and then connected to anew
RETRY_SECONDS = 0.05
CONNECT_SECONDS = 1.0
NOTHING_YET = object()

Reply = Callable[[Any], None]
"""Called in the order in which Redis wrote; with an exception where the connection was lost or Redis refused."""


class LinkLost(ConnectionError):
    """The connection to Redis was lost before the answer came."""


class RedisLink(asyncio.Protocol):
    """One connection to Redis, made again whenever it is lost.

    Args:
        url: redis://, rediss:// or unix://.
        on_change: called with a name that changed, or None: forget everything.
        on_connected: called with Redis's run_id at each connection, before anything is asked over it.
    """

    def __init__(self, url: str, *, on_change: Callable[[bytes | None], None], on_connected: Callable[[str], None]):
        self.url, self.on_change, self.on_connected = url, on_change, on_connected
        self.trusted_until = 0.0
        self.answered_at = 0.0
        self.script = b""
        self.is_ready = False
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.waiting: deque[Reply] = deque()
        self.reader = hiredis.Reader(notEnoughData=NOTHING_YET)

    @property
    def is_alive(self) -> bool:
        """Whether Redis answered a moment ago, so that asking it is worth while."""
        return self.is_ready and monotonic() - self.answered_at < ALIVE_SECONDS

    async def run(self) -> None:
        """Stay connected and send heartbeats until cancelled."""
        try:
            while True:
                try:
                    await self._connect()
                    await self._beat()
                except (OSError, TimeoutError, hiredis.HiredisError) as error:
                    logger.debug("no link to Redis: %s", error)
                self._abort()
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._abort()

    def call(self, *command: bytes | str | int, reply: Reply) -> None:
        """Send a command; raises LinkLost where there is no connection."""
        if self.transport is None or self.transport.is_closing():
            raise LinkLost("not connected")
        self.waiting.append(reply)
        self.transport.write(hiredis.pack_command(command))  # type: ignore[arg-type]  # takes any number of them

    async def ask(self, *command: bytes | str | int) -> Any:
        """Send a command and wait for its answer; for what is not held by this process afterwards."""
        answer = self.loop.create_future()

        def settle(reply: Any) -> None:
            if not answer.done():
                if isinstance(reply, Exception):
                    answer.set_exception(reply)
                else:
                    answer.set_result(reply)

        self.call(*command, reply=settle)
        return await answer

    def read(self, names: Sequence[bytes], *, reply: Reply) -> None:
        self.call(b"MGET", *names, reply=reply)

    def store(self, arguments: Sequence[bytes | int]) -> None:
        """Run STORE_SCRIPT and do not wait for it."""
        with contextlib.suppress(LinkLost):
            self.call(b"EVALSHA", self.script, 0, *arguments, reply=_log_refusal)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.reader = hiredis.Reader(notEnoughData=NOTHING_YET)

    def data_received(self, data: bytes) -> None:
        self.reader.feed(data)
        while (item := self.reader.gets()) is not NOTHING_YET:
            if isinstance(item, hiredis.PushNotification):
                self._announce(item)
            else:
                self.waiting.popleft()(item)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._fence()
        while self.waiting:
            self.waiting.popleft()(LinkLost("the connection to Redis was lost"))

    # inside

    def _announce(self, push: Sequence[Any]) -> None:
        if push[0] == b"invalidate":
            for name in push[1] if push[1] is not None else [None]:
                self.on_change(name)

    def _fence(self) -> None:
        """Trust nothing that was read before."""
        self.is_ready = False
        self.trusted_until = self.answered_at = 0.0
        self.on_change(None)

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
        self._fence()

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            where: dict[str, Any] = dict(parse_url(self.url))
            await self._open(where)
            login = ["AUTH", where.get("username") or "default", where["password"]] if where.get("password") else []
            await self.ask("HELLO", 3, *login)
            if where.get("db"):
                await self.ask("SELECT", where["db"])
            await self.ask("CLIENT", "TRACKING", "ON")
            self.script = await self.ask("SCRIPT", "LOAD", STORE_SCRIPT)
            facts = await self.ask("INFO", "server")
        text = str(getattr(facts, "decode", lambda: facts)())
        run_id = next(line[7:].strip() for line in text.splitlines() if line.startswith("run_id:"))
        self.on_connected(run_id)
        self.is_ready, self.answered_at = True, monotonic()

    async def _open(self, where: dict[str, Any]) -> None:
        if path := where.get("path"):
            await self.loop.create_unix_connection(lambda: self, path)
            return
        secure = ssl.create_default_context() if self.url.startswith("rediss:") else None
        await self.loop.create_connection(
            lambda: self, where.get("host", "localhost"), where.get("port", 6379), ssl=secure
        )

    async def _beat(self) -> None:
        while self.is_ready:
            self._send_heartbeat()
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if monotonic() - self.answered_at > DEAD_SECONDS:
                raise TimeoutError("Redis does not answer")

    def _send_heartbeat(self) -> None:
        sent = monotonic()

        def answered(reply: Any) -> None:
            if not isinstance(reply, Exception):
                self.answered_at = monotonic()
                self.trusted_until = sent + TRUST_SECONDS

        self.call(b"PING", reply=answered)


def _log_refusal(reply: Any) -> None:
    if isinstance(reply, Exception) and not isinstance(reply, LinkLost):
        logger.error("Redis refused to store prices: %s", reply)
