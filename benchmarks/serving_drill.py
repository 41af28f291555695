"""Two minutes of zipf-distributed load over 100,000 SKUs while prices change and things break: is any answer wrong?

    .venv/bin/python -m pricing_site.embedded exec --ephemeral -- .venv/bin/python -m benchmarks.serving_drill

Needs wrk. One per cent of the prices change in a minute. At a quarter of the time Redis is killed, at a third it comes
back with the content of an old snapshot, and at two thirds a web process is killed with -9. Shoppers ask for the most
popular SKUs all the time and compare each answer with what had been committed 100 ms before they asked. The peer is the
truth: what the publisher committed.
"""

import argparse
import http.client
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from pathlib import Path

from benchmarks.serve_prices import wait_for
from pricing_site.embedded import valkey

ROOT = Path(__file__).resolve().parents[1]
PORT = 7421
POPULAR = 50
SHOPPERS = 6
VISIBLE_SECONDS = 0.1
ZIPF = """
local skus = {}
for line in io.lines("%s") do skus[#skus + 1] = line end
local n = math.random(#skus)
request = function() n = n %% #skus + 1; return wrk.format("GET", "/api/v1/prices/" .. skus[n]) end
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--skus", type=int, default=100_000)
    options.add_argument("--seconds", type=int, default=120)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = valkey.cache(folder / "cache")
        cache.spawn()
        cache.wait_ready()
        os.environ["REDIS_URL"] = cache.url
        try:
            drill(arguments, folder, cache)
        finally:
            cache.stop()


def drill(arguments: argparse.Namespace, folder: Path, cache: valkey.Valkey) -> None:
    key, listings = prepare(arguments.skus)
    web = subprocess.Popen([sys.executable, "manage.py", "serve", "--port", str(PORT), "--workers", "2"], cwd=ROOT)
    try:
        wait_for(PORT)
        truth = Truth(listings)
        shoppers = [Shopper(truth, key, number) for number in range(SHOPPERS)]
        threads = [threading.Thread(target=shopper.run, daemon=True) for shopper in shoppers]
        load = start_load(arguments, folder, key, list(listings))
        began = time.monotonic()
        for thread in threads:
            thread.start()
        outages = run_events(arguments, cache, web, truth, began)
        for shopper in shoppers:
            shopper.ends = True
        for thread in threads:
            thread.join(timeout=10)
        report(truth, shoppers, outages, load.communicate()[0])
    finally:
        web.terminate()
        web.wait()


def prepare(skus: int) -> tuple[str, dict[str, int]]:
    """Make the shop and warm its cache; return an API key and the listings by SKU."""
    os.environ["API_REQUESTS_PER_MINUTE"] = str(10**9)
    os.environ["DJANGO_SETTINGS_MODULE"] = "pricing_site.settings"
    import django

    django.setup()
    from django.core.management import call_command

    from catalog.models import ApiKey, Channel, Listing, Product

    call_command("migrate", verbosity=0)
    channel = Channel.objects.create(code="web", name="Web", currency="GBP", country="GB")
    names = [f"S{number:06d}" for number in range(skus)]
    products = Product.objects.bulk_create((Product(sku=sku, name="Drill") for sku in names), batch_size=10_000)
    rows = (Listing(product=product, channel=channel, list_price=10, unit_cost=2) for product in products)
    listings = Listing.objects.bulk_create(rows, batch_size=10_000)
    call_command("warm_price_cache")
    keys = {sku: listing.pk for sku, listing in zip(names, listings, strict=True)}
    return ApiKey.issue(name="drill", scopes=["prices:read"])[1], keys


class Truth:
    """What was committed when, by SKU: moment, version, price."""

    def __init__(self, listings: dict[str, int]) -> None:
        self.listings = listings
        self.skus = list(listings)
        self.committed: dict[str, list[tuple[float, int, str]]] = defaultdict(lambda: [(0.0, 0, "10.00")])
        self.numbers = itertools.count(1)

    def publish(self, skus: list[str]) -> None:
        """Publish a new price of each SKU, as a person would, in one transaction."""
        from decimal import Decimal

        from django.utils import timezone

        from catalog.gate import Proposal, publish_prices
        from catalog.models import Channel
        from catalog.models.listing import PriceSource

        prices = {sku: Decimal(1_000 + next(self.numbers) % 9_000) / 100 for sku in dict.fromkeys(skus)}
        proposals = [
            Proposal(self.listings[sku], price, idempotency_key=f"drill-{next(self.numbers)}")
            for sku, price in prices.items()
        ]
        report = publish_prices(
            channel=Channel.objects.get(), proposals=proposals, source=PriceSource.OVERRIDE, now=timezone.now()
        )
        assert not report.refused
        now, published = time.monotonic(), set(report.published)
        for sku, price in prices.items():
            if self.listings[sku] in published:
                known = self.committed[sku]
                known.append((now, known[-1][1] + 1, f"{price:.2f}"))


class Shopper:
    """Asks for popular SKUs over one connection and keeps what came."""

    def __init__(self, truth: Truth, key: str, number: int) -> None:
        self.truth, self.key, self.ends = truth, key, False
        self.random = random.Random(number)
        self.answers: list[tuple[float, str, int, int, str]] = []
        self.lost: list[float] = []

    def run(self) -> None:
        while not self.ends:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
            try:
                for _ in range(100):
                    self.ask(connection)
            except (OSError, http.client.HTTPException):
                self.lost.append(time.monotonic())
            finally:
                connection.close()

    def ask(self, connection: http.client.HTTPConnection) -> None:
        sku = self.truth.skus[self.random.randrange(POPULAR)]
        asked = time.monotonic()
        connection.request("GET", f"/api/v1/prices/{sku}", headers={"Authorization": f"Bearer {self.key}"})
        response = connection.getresponse()
        content = json.loads(response.read())
        self.answers.append((asked, sku, response.status, content.get("version", -1), content.get("price", "")))
        time.sleep(0.002)


def start_load(arguments: argparse.Namespace, folder: Path, key: str, skus: list[str]) -> "subprocess.Popen[str]":
    rng = random.Random(1)
    weights = [1 / (rank + 1) for rank in range(len(skus))]
    drawn = rng.choices(skus, weights, k=500_000)
    (folder / "skus").write_text("\n".join(drawn))
    (folder / "zipf.lua").write_text(ZIPF % (folder / "skus"))
    command = ["wrk", "-t1", "-c16", f"-d{arguments.seconds}s", "--latency", "-s", str(folder / "zipf.lua")]
    command += ["-H", f"Authorization: Bearer {key}", f"http://127.0.0.1:{PORT}/"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run_events(
    arguments: argparse.Namespace, cache: valkey.Valkey, web: "subprocess.Popen[bytes]", truth: Truth, began: float
) -> dict[str, tuple[float, float]]:
    """Publish all the time and break things on schedule; return the outages by name."""
    import redis

    rng = random.Random(2)
    a_second = max(1, arguments.skus // 100 // 60)
    moments = {"snapshot": 0.1, "redis killed": 0.25, "redis back": 0.33, "process killed": 0.66}
    due = {name: began + share * arguments.seconds for name, share in moments.items()}
    happened: dict[str, float] = {}
    while time.monotonic() < began + arguments.seconds:
        began_second = time.monotonic()
        truth.publish([*rng.sample(truth.skus, a_second), *rng.sample(truth.skus[:POPULAR], 5)])
        for name, at in due.items():
            if name not in happened and time.monotonic() >= at:
                happened[name] = time.monotonic()
                if name == "snapshot":
                    with redis.Redis.from_url(cache.url) as client:
                        client.save()
                elif name == "redis killed":
                    print(f"hit ratio before the outage: {hit_ratio():.4f}")
                    assert cache.child is not None
                    cache.child.process.kill()
                    cache.child.process.wait()
                elif name == "redis back":
                    cache.spawn(port=cache.port)
                    cache.wait_ready()
                else:
                    workers = Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text().split()
                    serving = [pid for pid in workers if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
                    os.kill(int(serving[0]), signal.SIGKILL)
        time.sleep(max(0.0, 1 - (time.monotonic() - began_second)))
    print(f"hit ratio at the end: {hit_ratio():.4f}")
    return {
        "Redis": (happened["redis killed"], happened["redis back"] + 2),
        "process": (happened["process killed"], happened["process killed"] + 2),
    }


def hit_ratio() -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=10) as response:
        return float(re.search(r"^cache_hit_ratio ([\d.]+)", response.read().decode(), re.MULTILINE)[1])  # type: ignore[index]


def report(truth: Truth, shoppers: list[Shopper], outages: dict[str, tuple[float, float]], load: str) -> None:
    answers = [answer for shopper in shoppers for answer in shopper.answers]
    price_of = {(sku, version): price for sku, known in truth.committed.items() for _, version, price in known}
    good = [answer for answer in answers if answer[2] == 200]
    wrong = [answer for answer in good if price_of.get((answer[1], answer[3]), "10.00") != answer[4]]
    stale = [answer for answer in good if answer[3] < oldest_allowed(truth, answer[1], answer[0])]
    failed = Counter((answer[2], outage_of(outages, answer[0])) for answer in answers if answer[2] != 200)
    lost = Counter(outage_of(outages, moment) for shopper in shoppers for moment in shopper.lost)
    changes = sum(len(known) - 1 for known in truth.committed.values())
    print(f"{len(answers):,} answers checked, {changes:,} prices changed")
    print(f"wrong: {len(wrong)}; stale after {VISIBLE_SECONDS * 1000:.0f} ms: {len(stale)}")
    print(f"answers other than 200, by outage: {dict(failed)}; connections lost: {dict(lost)}")
    print("load:", " ".join(re.findall(r"\d+ requests in [\d.]+s|99%\s+\S+|Requests/sec:\s+\S+|Non-2xx.*", load)))
    assert not wrong and not stale, (wrong[:3], stale[:3])
    assert all(status == 503 and outage for status, outage in failed), failed
    assert None not in lost, lost


def oldest_allowed(truth: Truth, sku: str, asked: float) -> int:
    return max(version for at, version, _ in truth.committed[sku] if at + VISIBLE_SECONDS < asked)


def outage_of(outages: dict[str, tuple[float, float]], moment: float) -> str | None:
    return next((name for name, (begins, ends) in outages.items() if begins <= moment <= ends), None)


if __name__ == "__main__":
    main()
