"""The gateway of one process: its cache, its clock, and the decision whether a request may be answered."""

import asyncio
import contextlib
import time
from typing import ClassVar

from django.conf import settings
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied, Throttled

from catalog.api.authentication import UNKNOWN_KEY, ApiKeyAuthentication
from catalog.api.permissions import missing_scope
from catalog.api.throttling import WINDOW_SECONDS
from catalog.cached_values import CachedValue
from catalog.gateway.answers import Heads, RequestIds
from catalog.gateway.cache import GatewayCache
from catalog.gateway.callers import Caller, Windows
from catalog.gateway.metrics import GatewayMetrics
from catalog.gateway.prices import PriceItem, moment_text
from catalog.gateway.requests import HeadBlocks, RequestHead, Targets
from catalog.models.access import Scope

TICK_SECONDS = 0.05
ITEMS_HELD = 200_000  # 1.6 kB each


class Gateway:
    """Serves prices from this process. Make it inside the event loop; ``running`` is the one that serves."""

    running: ClassVar["Gateway | None"] = None

    def __init__(self) -> None:
        self.ttl = settings.PRICE_CACHE_TTL_SECONDS
        self.windows = Windows()
        self.cache: GatewayCache[PriceItem | Caller] = GatewayCache(
            settings.REDIS_URL, self._build, capacity=ITEMS_HELD
        )
        self.metrics = GatewayMetrics()
        self.found_tally, self.unchanged_tally = self.metrics.tally("price", 200), self.metrics.tally("price", 304)
        self.blocks, self.targets = HeadBlocks(), Targets()
        self.request_ids = RequestIds()
        self.heads = {secure: Heads(secure=secure) for secure in (False, True)}
        self.unix_time = self.second = 0.0
        self.valid_until = b""
        self._tell_time()
        self.clock: asyncio.Task[None] | None = None

    def _build(self, name: bytes, value: CachedValue) -> PriceItem | Caller:
        return PriceItem(value) if name.startswith(b"p:") else Caller(value, self.windows)

    def start(self) -> None:
        self.cache.start()
        self.clock = asyncio.create_task(self._tick())
        Gateway.running = self

    async def stop(self) -> None:
        Gateway.running = None
        if self.clock:
            self.clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.clock
        self.windows.synchronise(self.cache.link)
        await self.cache.stop()
        self.metrics.hand_over(self.cache.sources)

    async def _tick(self) -> None:
        while True:
            second = self.second
            self._tell_time()
            self.windows.synchronise(self.cache.link)
            if self.second != second:
                self.cache.tidy()
                self.metrics.hand_over(self.cache.sources)
            await asyncio.sleep(TICK_SECONDS)

    def _tell_time(self) -> None:
        self.unix_time = time.time()
        second = self.unix_time // 1
        if second != self.second:
            self.second = second
            self.valid_until = moment_text(self.unix_time + self.ttl)
            for heads in self.heads.values():
                heads.renew(self.unix_time)

    async def admit(self, head: RequestHead) -> None:
        """Let a request pass whose key may read prices; raises what a view raises, or NoSource."""
        caller = self.cache.at_hand(head.api_key)
        if caller is None:
            caller = (await self.cache.get([head.api_key]))[head.api_key]
        if not isinstance(caller, Caller):
            raise _challenged(AuthenticationFailed(UNKNOWN_KEY))
        if not caller.reads_prices:
            raise PermissionDenied(missing_scope(Scope.PRICES_READ))
        if not caller.window.take(self.windows.limit):
            raise Throttled(wait=WINDOW_SECONDS - time.time() % WINDOW_SECONDS)


def _challenged(error: APIException) -> APIException:
    error.auth_header = ApiKeyAuthentication.challenge  # type: ignore[attr-defined]
    return error
