"""No process serves an old price: not while Redis is cut off, hangs, restarts or comes back with what it once held."""

import contextlib
import http.client
import json
import signal
import socket
import threading
import time
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from django.db import transaction

from catalog import price_cache
from pricing_site.embedded import valkey
from tests.factories import make_api_key, make_listing, publish

pytestmark = pytest.mark.django_db(transaction=True)

VISIBLE_SECONDS = 0.1
SKU = "85123A"


class Proxy:
    """Stands between the web processes and Redis; it can hang half-open, or cut all connections."""

    def __init__(self, port):
        self.target, self.hangs = port, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    near.close()
                    continue
                self.pairs.append((near, far))
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                while self.hangs.is_set():
                    time.sleep(0.005)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.hangs.clear()
        self.listener.close()
        self.cut()


@pytest.fixture
def cache(tmp_path, settings):
    """A Redis of this test's own, which may be killed."""
    server = valkey.cache(tmp_path / "cache")
    server.spawn()
    server.wait_ready()
    settings.REDIS_URL = server.url
    price_cache.redis_connection.cache_clear()
    yield server
    price_cache.redis_connection.cache_clear()
    with contextlib.suppress(ProcessLookupError):
        server.child.process.send_signal(signal.SIGCONT)
    server.stop()


@pytest.fixture
def proxy(cache):
    proxy = Proxy(cache.port)
    yield proxy
    proxy.close()


@pytest.fixture
def environment(environment, cache, proxy):
    url = urlsplit(cache.url)
    return {**environment, "REDIS_URL": urlunsplit(url._replace(netloc=f":{url.password}@127.0.0.1:{proxy.port}"))}


class Shopper(threading.Thread):
    """Asks for the price over one connection, again and again, and remembers what it was told and when."""

    def __init__(self, url, key):
        super().__init__(daemon=True)
        self.url, self.key, self.ends = url, key, threading.Event()
        self.seen = []

    def run(self):
        while not self.ends.is_set():
            connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
            with contextlib.suppress(OSError, http.client.HTTPException):
                for _ in range(50):
                    if self.ends.is_set():
                        break
                    asked = time.monotonic()
                    connection.request("GET", f"/api/v1/prices/{SKU}", headers={"Authorization": f"Bearer {self.key}"})
                    response = connection.getresponse()
                    content = json.loads(response.read())
                    self.seen.append((asked, response.status, content.get("version"), content.get("price")))
                    time.sleep(0.001)
            connection.close()


class Drill:
    """Publishes prices while shoppers on several connections ask for them."""

    def __init__(self, url, key):
        self.listing = make_listing(sku=SKU)
        self.committed = [(time.monotonic(), 0, "10.00")]
        self.shoppers = [Shopper(url, key) for _ in range(8)]
        for shopper in self.shoppers:
            shopper.start()

    def publish(self, times=1, pause=0.02):
        for _ in range(times):
            price = f"{10 + len(self.committed) % 90 / 100:.2f}"
            with transaction.atomic():
                publish(self.listing, price)
            self.committed.append((time.monotonic(), self.listing.price_version, price))
            time.sleep(pause)

    def judge(self):
        """Stop and return the answers that came wrong, stale or failed."""
        time.sleep(0.3)
        for shopper in self.shoppers:
            shopper.ends.set()
        for shopper in self.shoppers:
            shopper.join(timeout=15)
        answers = [answer for shopper in self.shoppers for answer in shopper.seen]
        assert len(answers) > 100
        price_of = {version: price for _, version, price in self.committed}
        newest = max(answers)[2]
        assert newest == self.committed[-1][1], "the last price was never seen"
        failed = [answer for answer in answers if answer[1] != 200]
        wrong = [answer for answer in answers if answer[1] == 200 and price_of[answer[2]] != answer[3]]
        stale = [answer for answer in answers if answer[1] == 200 and answer[2] < self._oldest_allowed(answer[0])]
        return failed, wrong, stale

    def _oldest_allowed(self, asked):
        return max(version for at, version, _ in self.committed if at + VISIBLE_SECONDS < asked or version == 0)


@pytest.fixture
def drill(web):
    drill = Drill(web.url, make_api_key())
    time.sleep(0.5)
    return drill


def test_under_plain_load(drill):
    drill.publish(40)
    assert drill.judge() == ([], [], [])


def test_when_connections_to_redis_are_cut(drill, proxy):
    for _ in range(5):
        proxy.cut()
        drill.publish(4)
    assert drill.judge() == ([], [], [])


def test_when_the_link_hangs_half_open(drill, proxy):
    for _ in range(2):
        proxy.hangs.set()
        drill.publish(10)
        proxy.hangs.clear()
        drill.publish(5)
    assert drill.judge() == ([], [], [])


def test_when_redis_itself_hangs_while_prices_change(drill, cache):
    drill.publish(3)
    cache.child.process.send_signal(signal.SIGSTOP)
    drill.publish(2)
    cache.child.process.send_signal(signal.SIGCONT)
    time.sleep(0.3)
    drill.publish(3)
    assert drill.judge() == ([], [], [])


@pytest.mark.parametrize("changed_meanwhile", [0, 3])
@pytest.mark.parametrize("comes_back", ["empty", "from an old snapshot"])
def test_when_redis_is_killed_and_comes_back(drill, cache, comes_back, changed_meanwhile):
    drill.publish(3)
    with redis.Redis.from_url(cache.url) as client:
        client.save()
    snapshot = cache.home / "dump.rdb"
    drill.publish(3)
    cache.child.process.kill()
    cache.child.process.wait()
    if comes_back == "empty":
        snapshot.unlink()
    drill.publish(changed_meanwhile)
    cache.spawn(port=cache.port)
    cache.wait_ready()
    time.sleep(0.5)
    drill.publish(5)
    assert drill.judge() == ([], [], [])
