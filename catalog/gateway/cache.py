"""What this process holds of prices and API keys, and who is asked for what it does not hold: Redis, then Postgres.

Held items may be used while the link to Redis is trusted; Redis announces their changes. Many requests that want the
same name at once are one question, and all names wanted in one turn of the event loop are one MGET.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, Generic, Protocol, TypeVar

from catalog.cached_values import CachedValue, Kind, decoded, namespace
from catalog.gateway.database import Database, DatabaseAway, watch_epoch
from catalog.gateway.link import LinkLost, RedisLink
from catalog.price_cache import store_arguments

logger = logging.getLogger(__name__)

MISSING: Final[Any] = object()
REDIS_PATIENCE_SECONDS = 0.1
FRESH_SECONDS = 0.05
"""For so long a load from the database answers others too, where Redis cannot: still fresh within 100 ms."""


class Item(Protocol):
    """``refresh_at``: Unix time after which it is read again."""

    refresh_at: int


T = TypeVar("T", bound=Item)


class NoSource(Exception):
    """Neither Redis nor the database can say: better no price than a wrong one."""


@dataclass
class Flight:
    """One question for one name, on its way."""

    began: float
    landed: asyncio.Future[Any]


@dataclass
class Batch:
    """The questions of one turn of the event loop, and what is known about them so far."""

    flights: dict[bytes, Flight]
    outdated: dict[bytes, CachedValue] = field(default_factory=dict)
    pending: dict[bytes, CachedValue] = field(default_factory=dict)


class GatewayCache(Generic[T]):
    """Items by name, built from cached values; None for what is known not to exist.

    Args:
        build: makes the item of a name from its record.
        capacity: how many items are held; the longest-held one goes first.
    """

    def __init__(self, redis_url: str, build: Callable[[bytes, CachedValue], T], *, capacity: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.build, self.capacity = build, capacity
        self.held: dict[bytes, T | None] = {}
        self.fresh: dict[bytes, tuple[float, T | None]] = {}
        self.flights: dict[bytes, Flight] = {}
        self.wanted: dict[bytes, Flight] = {}
        self.run_id, self.epoch = "", -1
        self.namespace = b""
        self.sources: Counter[str] = Counter()
        self.link = RedisLink(redis_url, on_change=self._forget, on_connected=self._connected)
        self.database = Database()
        self.tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        self._keep(self.link.run())
        self._keep(watch_epoch(self._epoch_seen))

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.database.close()

    @property
    def is_trusted(self) -> bool:
        """Whether ``held`` may be used without asking."""
        return monotonic() < self.link.trusted_until

    def at_hand(self, name: bytes) -> T | None:
        """Return an item that is held, trusted and not to be read again; None where it must be asked for."""
        item = self.held.get(name)
        return item if item is not None and self.is_trusted and item.refresh_at >= time.time() else None

    async def get(self, names: Sequence[bytes]) -> dict[bytes, T | None]:
        """Return the items of all names; raises NoSource where one of them cannot be had."""
        items: dict[bytes, T | None] = {}
        flights: dict[bytes, Flight] = {}
        trusted, moment = self.is_trusted, time.time()
        for name in names:
            item = self.held.get(name, MISSING) if trusted else MISSING
            # What was read long ago is still right, but read again: through Redis, which has it read from the database.
            if item is MISSING or (item is not None and item.refresh_at < moment):
                flights[name] = self._flight(name)
            else:
                items[name] = item
        self.sources["process"] += sum(map(_is_price, items))
        for name, flight in flights.items():
            items[name] = await asyncio.shield(flight.landed)
        return items

    # flights

    def _flight(self, name: bytes) -> Flight:
        flight = self.flights.get(name)
        now = monotonic()
        if flight is None or now - flight.began > FRESH_SECONDS:  # what an old one brings may have changed meanwhile
            flight = self.flights[name] = Flight(now, self.loop.create_future())
            if not self.wanted:
                self.loop.call_soon(self._depart)
            self.wanted[name] = flight
        return flight

    def _depart(self) -> None:
        batch, self.wanted = Batch(self.wanted), {}
        if not (self.link.is_alive and self.namespace):
            self._keep(self._load(batch))
            return
        patience = self.loop.call_later(REDIS_PATIENCE_SECONDS, lambda: self._keep(self._load(batch)))
        asked_in, names = self.namespace, list(batch.flights)
        started = monotonic()

        def answered(reply: Any) -> None:
            if patience.cancelled() or monotonic() - started > REDIS_PATIENCE_SECONDS:
                return
            patience.cancel()
            if asked_in != self.namespace or isinstance(reply, Exception):
                reply = [None] * len(names)
            self._sort(batch, names, reply)

        try:
            self.link.read([asked_in + name for name in names], reply=answered)
        except LinkLost:
            patience.cancel()
            self._keep(self._load(batch))

    def _sort(self, batch: Batch, names: Sequence[bytes], texts: Iterable[bytes | None]) -> None:
        """Hold and hand out what Redis knows. Called while its reply is read, before any later announcement is."""
        now = time.time()
        for name, text in zip(names, texts, strict=True):
            value = _readable(text)
            if value is None:
                continue
            if value.kind is Kind.PENDING:
                batch.pending[name] = value
                continue
            self.sources["redis"] += _is_price(name)
            item = self._hold(name, value)
            self._land(name, batch.flights.pop(name), item)
            if value.kind is Kind.RECORD and value.refresh_at < now:
                batch.outdated[name] = value
        if batch.flights or batch.outdated:
            self._keep(self._load(batch))

    def _hold(self, name: bytes, value: CachedValue) -> T | None:
        item = None if value.kind is Kind.ABSENT else self.build(name, value)
        if len(self.held) >= self.capacity:
            del self.held[next(iter(self.held))]
        self.held[name] = item
        return item

    async def _load(self, batch: Batch) -> None:
        """Ask the database for what Redis does not know, and for what was read from it long ago."""
        began = monotonic()
        waiting = {name: flight for name, flight in batch.flights.items() if not self._land_fresh(name, flight, began)}
        names = [*waiting, *batch.outdated]
        if not names:
            return
        try:
            loaded = await self.database.load(names, [value.xid for value in batch.pending.values()])
        except DatabaseAway as error:
            self._strand(waiting, NoSource(str(error)))
            return
        except Exception as error:
            logger.exception("Prices could not be loaded")
            self._strand(waiting, NoSource(str(error)))
            return
        self._store(loaded.values, loaded.ended, batch.pending)
        self.sources["database"] += sum(map(_is_price, waiting))
        for name, flight in waiting.items():
            value = loaded.values[name]
            item = None if value.kind is Kind.ABSENT else self.build(name, value)
            self.fresh[name] = (began, item)
            self._land(name, flight, item)

    def _land_fresh(self, name: bytes, flight: Flight, now: float) -> bool:
        loaded_at, item = self.fresh.get(name, (float("-inf"), None))
        if now - loaded_at > FRESH_SECONDS:
            return False
        self._land(name, flight, item)
        return True

    def _store(
        self, values: Mapping[bytes, CachedValue], ended: frozenset[int], pending: Mapping[bytes, CachedValue]
    ) -> None:
        """Give Redis what was loaded, also in the place of what waited for a transaction that has ended."""
        settled = {name: value.encoded() for name, value in pending.items() if value.xid in ended}
        if self.link.is_alive and self.namespace:
            self.link.store(store_arguments(values.items(), epoch=self.epoch, settled=settled))

    def _land(self, name: bytes, flight: Flight, item: T | None) -> None:
        if self.flights.get(name) is flight:
            del self.flights[name]
        if not flight.landed.done():
            flight.landed.set_result(item)

    def _strand(self, flights: Mapping[bytes, Flight], error: Exception) -> None:
        for name, flight in flights.items():
            if self.flights.get(name) is flight:
                del self.flights[name]
            if not flight.landed.done():
                flight.landed.set_exception(error)
                flight.landed.exception()  # somebody may have given up waiting: that is no error to report

    # what may no longer be used

    def _connected(self, run_id: str) -> None:
        self.run_id = run_id
        self._name_space()

    def _epoch_seen(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch = epoch
            self._name_space()

    def _name_space(self) -> None:
        """Take up the namespace of this Redis and epoch; nothing of another one is used any more."""
        if self.run_id and self.epoch >= 0:
            self.namespace = namespace(self.run_id, self.epoch)
        self._forget(None)
        self.fresh.clear()

    def _forget(self, name: bytes | None) -> None:
        if name is None:
            self.held.clear()
        else:
            self.held.pop(name[len(self.namespace) :], None)

    def tidy(self) -> None:
        """Forget loads that are no longer fresh; called every second or so."""
        now = monotonic()
        self.fresh = {name: (at, item) for name, (at, item) in self.fresh.items() if now - at <= FRESH_SECONDS}

    def _keep(self, coroutine: Any) -> None:
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _is_price(name: bytes) -> bool:
    return name.startswith(b"p:")


def _readable(text: bytes | None) -> CachedValue | None:
    """Return the value; None where there is none, or something that we did not write."""
    try:
        return None if text is None else decoded(text)
    except (ValueError, IndexError):
        logger.error("Redis holds what is no cached value: %.40r", text)
        return None
