"""Requests a second and p99 of our gateway beside FastAPI over Redis, and beside a constant answer of our server.

    .venv/bin/python -m pricing_site.embedded exec --ephemeral -- .venv/bin/python -m benchmarks.serve_prices

Needs wrk, and the peer's environment: python -m venv .venv-peers/fastapi, then
.venv-peers/fastapi/bin/pip install -r benchmarks/peers/fastapi.txt (or PEER_PYTHON=... for another place).
All serve the same 1,000 records to 64 connections with two processes each, in turn; medians of all rounds.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEER_PYTHON = Path(os.environ.get("PEER_PYTHON", ROOT / ".venv-peers/fastapi/bin/python"))
SKUS = 1_000
BATCH = 100
WORKERS = 2
CONNECTIONS = 64

SINGLE = """
local n = 0
request = function() n = n + 1; return wrk.format("GET", string.format("/api/v1/prices/S%05d", n % 1000)) end
"""
BATCHES = """
local n, bodies = 0, {}
for i = 0, 9 do
  local skus = {}
  for j = 0, 99 do skus[#skus + 1] = string.format('"S%05d"', i * 100 + j) end
  bodies[i] = '{"skus":[' .. table.concat(skus, ",") .. ']}'
end
request = function() n = n + 1; return wrk.format("POST", "/api/v1/prices:batch", nil, bodies[n % 10]) end
"""


@dataclass
class Server:
    name: str
    port: int
    process: subprocess.Popen[bytes]
    rates: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    per_cpu_second: list[float] = field(default_factory=list)

    def cpu_seconds(self) -> float:
        """Processor time of all its processes so far."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return sum(map(_ticks, [str(self.process.pid), *children])) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: str) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=4)
    arguments = options.parse_args()
    if not PEER_PYTHON.exists():
        sys.exit(f"No {PEER_PYTHON}: see the top of {__file__}.")
    key = prepare()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(server("ours", [sys.executable, "manage.py", "serve", "--port"], 7411))
        peer = stack.enter_context(server("FastAPI", [str(PEER_PYTHON), "fastapi_prices.py"], 7412, "benchmarks/peers"))
        constant = stack.enter_context(server("constant", [sys.executable, "-m", "benchmarks.constant_answer"], 7413))
        compare_answers(ours, peer, key)
        print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        for kind, script, servers in (("single", SINGLE, (peer, ours, constant)), ("batch", BATCHES, (peer, ours))):
            (folder / kind).write_text(script)
            measure(folder / kind, servers, key, arguments)
            report(kind, servers)


def prepare() -> str:
    """Fill the database and the cache, ours and the peer's, with the same records; return an API key."""
    os.environ["API_REQUESTS_PER_MINUTE"] = str(10**9)
    os.environ["DJANGO_SETTINGS_MODULE"] = "pricing_site.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from catalog.models import ApiKey, Channel, Listing, Product
    from catalog.services.list_prices import publish_list_prices

    call_command("migrate", verbosity=0)
    channel = Channel.objects.create(code="web", name="Web", currency="GBP", country="GB")
    products = Product.objects.bulk_create(Product(sku=f"S{number:05d}", name="Benchmark") for number in range(SKUS))
    Listing.objects.bulk_create(
        Listing(product=product, channel=channel, list_price=5 + index % 90, unit_cost=2)
        for index, product in enumerate(products)
    )
    publish_list_prices(channel=channel, now=timezone.now())
    call_command("warm_price_cache")
    return ApiKey.issue(name="benchmark", scopes=["prices:read"])[1]


@contextmanager
def server(name: str, command: list[str], port: int, folder: str = ".") -> Iterator[Server]:
    process = subprocess.Popen(
        [*command, str(port), *([] if "serve" in command else [str(WORKERS)])], cwd=ROOT / folder
    )
    try:
        wait_for(port)
        yield Server(name, port, process)
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    import socket

    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            time.sleep(1)
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


def compare_answers(ours: Server, peer: Server, key: str) -> None:
    """Give the peer what ours answers, then assert that both answer the same for every SKU and a batch."""
    import redis

    skus = [f"S{number:05d}" for number in range(SKUS)]
    cache = redis.Redis.from_url(os.environ["REDIS_URL"])
    answers = {sku: call(ours, f"/api/v1/prices/{sku}", key) for sku in skus}
    cache.mset({f"price:web:{sku}": json.dumps(answer) for sku, answer in answers.items()})
    for sku in skus:
        assert call(peer, f"/api/v1/prices/{sku}", key) == answers[sku]
    wanted = {"skus": [*skus[:99], "NOPE"]}
    batches = [call(each, "/api/v1/prices:batch", key, wanted) for each in (ours, peer)]
    for batch in batches:
        for price in batch["prices"]:
            price.pop("valid_until")
    assert batches[0] == batches[1] and len(batches[0]["prices"]) == 99


def call(server: Server, path: str, key: str, body: object = None) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def measure(script: Path, servers: tuple[Server, ...], key: str, arguments: argparse.Namespace) -> None:
    for each in servers:
        each.rates, each.p99_ms, each.per_cpu_second = [], [], []
    for number in range(arguments.rounds + 1):  # the first one warms up
        for each in servers:
            before = each.cpu_seconds()
            text = load(each.port, script, key, arguments.seconds)
            used = each.cpu_seconds() - before
            assert "Non-2xx" not in text and "Socket errors" not in text, text
            if number:
                requests = int(re.search(r"(\d+) requests in", text)[1])
                each.rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]))
                each.p99_ms.append(milliseconds(re.search(r"99%\s+([\d.]+)(us|ms|s)", text)))
                each.per_cpu_second.append(requests / used)


def load(port: int, script: Path, key: str, seconds: int) -> str:
    headers = ["-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json"]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), *headers]
    return subprocess.run([*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True).stdout


def milliseconds(found: re.Match[str]) -> float:
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def report(kind: str, servers: tuple[Server, ...]) -> None:
    for each in servers:
        print(
            f"{kind:7}{each.name:10}{statistics.median(each.rates):10,.0f} requests/s"
            f"{statistics.median(each.p99_ms):8.2f} ms p99"
            f"{statistics.median(each.per_cpu_second):10,.0f} requests per CPU-second"
        )
    peer, ours, *rest = servers
    rate = statistics.median(a / b for a, b in zip(ours.rates, peer.rates, strict=True))
    p99 = statistics.median(b / a for a, b in zip(ours.p99_ms, peer.p99_ms, strict=True))
    print(f"{kind:7}ours / {peer.name}: {rate:.1f} x the requests a second, p99 {p99:.1f} x lower")
    for constant in rest:
        share = statistics.median(a / b for a, b in zip(ours.rates, constant.rates, strict=True))
        print(f"{kind:7}ours / {constant.name}: {share:.0%} of its requests a second")


if __name__ == "__main__":
    main()
