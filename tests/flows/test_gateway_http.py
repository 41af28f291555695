"""The gateway as clients meet it: connections, limits, outages, counts, a killed process."""

import contextlib
import gzip
import http.client
import json
import os
import re
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from catalog.gateway import protocol
from catalog.models import ApiKey
from catalog.models.access import Scope
from catalog.services.api_keys import revoke_api_keys
from pricing_site.embedded import valkey
from tests.factories import make_api_key, make_listing, publish

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/v1/prices/85123A"


@pytest.fixture
def key():
    publish(make_listing(sku="85123A"), "10.50")
    return make_api_key()


def ask(web, key, path=PATH, method="GET", body=None, **headers):
    client = http.client.HTTPConnection(urlsplit(web.url).netloc, timeout=20)
    content_type = {"Content-Type": "application/json"} if body is not None else {}
    client.request(
        method,
        path,
        body if body is None or isinstance(body, bytes) else json.dumps(body),
        {"Authorization": f"Bearer {key}", **content_type, **headers},
    )
    response = client.getresponse()
    content = response.read()
    client.close()
    return response, content


def raw(web):
    where = urlsplit(web.url)
    return socket.create_connection((where.hostname, where.port), timeout=30)


def request(key, path=PATH, **headers):
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def read_answers(client, count):
    """Read whole answers from a socket and return their statuses and bodies."""
    reader, found = client.makefile("rb"), []
    for _ in range(count):
        status = int(reader.readline().split()[1])
        length = 0
        while (line := reader.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        found.append((status, reader.read(length)))
    return found


def test_pipelined_requests_are_answered_in_order(web, key):
    make_listing(sku="B")
    paths = [PATH, "/api/v1/prices/B", "/healthz", "/api/v1/prices/NOPE", PATH, "/api/v1/products", "/api/v1/prices/B"]
    with raw(web) as client:
        for _ in range(3):
            client.sendall(b"".join(request(key, path) for path in paths))
            answers = read_answers(client, len(paths))
            assert [status for status, _ in answers] == [200, 200, 200, 404, 200, 200, 200]
            assert [json.loads(answers[index][1])["sku"] for index in (0, 1, 4, 6)] == ["85123A", "B", "85123A", "B"]


def test_a_request_that_comes_in_pieces_is_answered(web, key):
    with raw(web) as client:
        for byte in request(key):
            client.sendall(bytes([byte]))
        assert read_answers(client, 1)[0][0] == 200
        client.sendall(request(key)[:30])
        time.sleep(0.05)
        client.sendall(request(key)[30:] + request(key))
        assert [status for status, _ in read_answers(client, 2)] == [200, 200]


def test_requests_are_named(web, key):
    for path in (PATH, "/healthz", "/api/v1/prices/NOPE"):
        for _ in range(3):
            assert ask(web, key, path, **{"X-Request-ID": "shop-1"})[0].headers["X-Request-ID"] == "shop-1"
        names = {ask(web, key, path)[0].headers["X-Request-ID"] for _ in range(3)}
        assert len(names) == 3
    assert ask(web, key, **{"X-Request-ID": "a b\x07"})[0].headers["X-Request-ID"] != "a b\x07"


def test_batches_are_compressed_where_wanted(web, key):
    skus = [make_listing(sku=f"S{number}").product.sku for number in range(20)]
    plain, content = ask(web, key, "/api/v1/prices:batch", "POST", {"skus": skus})
    packed, compressed = ask(web, key, "/api/v1/prices:batch", "POST", {"skus": skus}, **{"Accept-Encoding": "gzip"})
    assert plain.headers["Content-Encoding"] is None
    assert packed.headers["Content-Encoding"] == "gzip" and packed.headers["Vary"] == "Accept-Encoding"
    assert len(compressed) < len(content) / 3
    unpacked = json.loads(gzip.decompress(compressed))
    assert [price["sku"] for price in unpacked["prices"]] == skus


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_limit_is_413(web, key, announced):
    body = b'{"skus": ["' + b"x" * 5_000_001 + b'"]}'
    with raw(web) as client:
        head = [b"POST /api/v1/prices:batch HTTP/1.1", b"Host: localhost", b"Authorization: Bearer " + key.encode()]
        head.append(b"Content-Type: application/json")
        head.append(b"Content-Length: %d" % len(body) if announced else b"Transfer-Encoding: chunked")
        client.sendall(b"\r\n".join([*head, b"", b""]))
        if not announced:
            with contextlib.suppress(OSError):  # it may be closed before all has come
                client.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        status, content = read_answers(client, 1)[0]
    assert status == 413
    assert json.loads(content)["type"] == "urn:pricing:problem:payload-too-large"


def test_header_lines_without_end_are_cut_off(web, key):
    with raw(web) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(OSError):  # it is closed before all has come
            for number in range(80):
                client.sendall(b"X-%d: " % number + b"x" * 1_000 + b"\r\n")
                time.sleep(0.001)
        assert client.recv(1_000).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("beginning", [b"", b"GET /api/v1/prices/85123A HTTP/1.1\r\nHost: lo"])
def test_a_slow_client_is_cut_off(web, beginning):
    """One that never ends its request line, while others are served; a silent one has longer."""
    with raw(web) as client:
        client.sendall(beginning or b"G")
        began = time.monotonic()
        assert client.recv(1_000).startswith(b"HTTP/1.1 408") and client.recv(1) == b""
    assert protocol.HEAD_SECONDS - 1 < time.monotonic() - began < protocol.HEAD_SECONDS + 20


def test_the_limit_holds_over_all_processes_and_doors(start_web, key):
    limited = start_web(API_REQUESTS_PER_MINUTE="100")
    while time.time() % 60 > 35:  # what follows must end within the minute, on a busy machine too
        time.sleep(0.5)
    # The processes tell each other twenty times a second: that much is let through beyond the limit.
    statuses = [ask(limited, key)[0].status for _ in range(80)]
    assert set(statuses) == {200}
    for _ in range(100):
        ask(limited, key)
    # A process that was hardly asked until now lets its first requests through, and hears of the others' then.
    deadline = time.monotonic() + 10
    while {ask(limited, key)[0].status for _ in range(20)} != {429}:
        assert time.monotonic() < deadline, "some process does not keep the limit"
    response, content = ask(limited, key)
    assert response.status == 429 and 0 < int(response.headers["Retry-After"]) <= 60
    assert json.loads(content)["type"] == "urn:pricing:problem:too-many-requests"
    assert ask(limited, key, "/api/v1/products")[0].status == 429


def test_a_revoked_key_opens_nothing_any_more(web):
    publish(make_listing(sku="85123A"), "10.50")
    row, text = ApiKey.issue(name="shop", scopes=[Scope.PRICES_READ])
    for _ in range(10):
        assert ask(web, text)[0].status == 200
    with transaction.atomic():
        revoke_api_keys(keys=[row], now=timezone.now())
    time.sleep(0.1)
    assert {ask(web, text)[0].status for _ in range(20)} == {401}


@pytest.fixture
def cache(tmp_path):
    """A Redis that only this test's web servers use."""
    server = valkey.cache(tmp_path / "cache")
    server.spawn()
    server.wait_ready()
    yield server
    server.child.process.send_signal(signal.SIGCONT)
    server.stop()


@contextlib.contextmanager
def no_database():
    """Let nobody connect to this test's database."""
    name = connection.settings_dict["NAME"]
    connection.close()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def test_without_the_database_prices_come_from_the_cache_and_without_both_none_does(start_web, cache, key):
    web = start_web(REDIS_URL=cache.url)
    for _ in range(20):
        assert ask(web, key)[0].status == 200
    with no_database():
        for _ in range(20):
            response, content = ask(web, key)
            assert response.status == 200 and json.loads(content)["price"] == "10.50"
        assert ask(web, key, "/api/v1/prices/NEVER-ASKED")[0].status == 503
        response, content = ask(web, key, "/readyz")
        assert response.status == 200
        assert json.loads(content) == {"status": "degraded", "database": False, "cache": True}
        cache.child.process.send_signal(signal.SIGSTOP)
        time.sleep(0.6)
        response, content = ask(web, key)
        assert response.status == 503
        assert json.loads(content)["type"] == "urn:pricing:problem:unavailable"
        assert ask(web, key, "/readyz")[0].status == 503
        cache.child.process.send_signal(signal.SIGCONT)
    time.sleep(1)
    assert ask(web, key)[0].status == 200
    assert ask(web, key, "/api/v1/prices/NEVER-ASKED")[0].status == 404


def test_without_redis_prices_come_from_the_database(start_web, cache, key):
    web = start_web(REDIS_URL=cache.url)
    assert ask(web, key)[0].status == 200
    cache.child.process.kill()
    for _ in range(50):
        assert ask(web, key)[0].status == 200
    response, content = ask(web, key, "/readyz")
    assert response.status == 200
    assert json.loads(content) == {"status": "degraded", "database": True, "cache": False}


def children_of(process):
    return {int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()}


def test_a_killed_process_is_replaced_and_prices_go_on(web, key):
    for _ in range(10):
        assert ask(web, key)[0].status == 200
    before = children_of(web.process)
    workers = [pid for pid in before if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    time.sleep(0.2)
    for _ in range(50):
        assert ask(web, key)[0].status == 200
    for _ in range(100):
        if len(children_of(web.process) - before) == 1:
            return
        time.sleep(0.2)
    raise AssertionError("it was not replaced")


def test_counts_are_added_up_over_all_processes(web, key):
    for _ in range(60):
        ask(web, key)
    ask(web, key, "/api/v1/prices/NOPE")
    ask(web, key, "/api/v1/prices:batch", "POST", {"skus": ["85123A"]})
    time.sleep(2.5)
    text = ask(web, key, "/metrics")[1].decode()
    counted = dict(re.findall(r'pricing_api_latency_seconds_count\{endpoint="price",status="(\d+)"\} ([\d.]+)', text))
    assert counted == {"200": "60.0", "404": "1.0"}
    assert re.search(r'pricing_api_latency_seconds_bucket\{endpoint="price",le="\+Inf",status="200"\} 60.0', text)
    lookups = {name: float(value) for name, value in re.findall(r'lookups_total\{source="(\w+)"\} ([\d.]+)', text)}
    assert sum(lookups.values()) == 62
    ratio = float(re.search(r"^cache_hit_ratio ([\d.]+)", text, re.MULTILINE)[1])
    assert ratio == pytest.approx(1 - lookups["database"] / 62)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_ends_it_well_and_leaves_no_counts(start, tmp_path, workers):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start("manage", "serve", "--port", str(port), "--workers", workers, TMPDIR=str(tmp_path))
    while not list(tmp_path.glob("pricing-metrics-*")):
        time.sleep(0.1)
    time.sleep(3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert not list(tmp_path.glob("pricing-metrics-*"))
