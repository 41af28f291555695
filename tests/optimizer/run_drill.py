"""Kill what a run with goals stands on, in the middle, and see whether the same run ends as an undisturbed one.

``python -m tests.optimizer.run_drill --kills 30``: servers of its own in a new folder, a channel for every kill, all
with the same products, and `optimize_prices` as a process. While chunks are computed, while prices are chosen together
and while the gate publishes, the process, Postgres or Redis is killed with -9 at a random moment. The command is then
given again, with the same key, until it ends well.

Every channel must end like the one that nobody disturbed: recommendations, goals, ledger, listings; and no record in
Redis may say anything but what is in force.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from itertools import product as pairs
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis
from rich.progress import track

from catalog.cached_values import Kind, decoded, namespace, price_name
from pricing_site.embedded.servers import EmbeddedServers

ROOT = Path(__file__).parents[2]
PRODUCTS, CHUNK, SLICE = 400, 25, 10
STAGES = {
    "chunks": "SELECT count(*) >= 3 FROM optimizer_runchunk WHERE run_id = %s AND finished_at IS NOT NULL",
    "goals": "SELECT count(*) = 0 FROM optimizer_runchunk WHERE run_id = %s AND finished_at IS NULL",
    "gate": "SELECT portfolio_solved_at IS NOT NULL FROM optimizer_optimizationrun WHERE id = %s",
}
VICTIMS = ("process", "postgres", "redis")
CASES = tuple(pairs(STAGES, VICTIMS))
TRIES, PATIENCE_SECONDS = 4, 60

STATE_SQL = """
SELECT product.sku, recommendation.price, recommendation.outcome, recommendation.binding_rule, listing.price,
       listing.price_version,
       (SELECT array_agg(price ORDER BY version) FROM catalog_pricechange WHERE listing_id = listing.id)
  FROM catalog_listing listing JOIN catalog_product product ON product.id = listing.product_id
  JOIN catalog_channel channel ON channel.id = listing.channel_id
  JOIN optimizer_optimizationrun run ON run.key = channel.code
  JOIN optimizer_recommendation recommendation ON recommendation.run_id = run.id
       AND recommendation.listing_id = listing.id
 WHERE channel.code = %s ORDER BY product.sku
"""

IN_FORCE_SQL = """
SELECT product.sku, listing.served_revision, listing.price_version
  FROM catalog_listing listing JOIN catalog_product product ON product.id = listing.product_id
  JOIN catalog_channel channel ON channel.id = listing.channel_id WHERE channel.code = %s
"""


def make_channels(codes: list[str]) -> None:
    """Make channels that sell the same products, each with elasticities and goals of its own."""
    from catalog.models import Listing
    from optimizer.models import RunGoals
    from tests.factories import make_channel, make_listing
    from tests.optimizer.factories import make_fit

    for code in codes:
        make_channel(code)
    first = make_channel(codes[0])
    originals = [
        make_listing(f"S{number:04}", channel=first, list_price=price, unit_cost=price * Decimal("0.6"))
        for number, price in enumerate(Decimal(500 + 3 * number) / 100 for number in range(PRODUCTS))
    ]
    for code in codes:
        channel = make_channel(code)
        if code != codes[0]:
            for row in originals:
                row.pk, row.channel = None, channel
                row._state.adding = True
            Listing.objects.bulk_create(originals)
        make_fit(channel, originals, mean=-2.2)
        RunGoals.objects.create(channel=channel, most_changes=PRODUCTS // 3, least_revenue_change=Decimal("0.005"))


def run_command(code: str) -> None:
    """Run `optimize_prices` in small steps."""
    from django.core.management import call_command

    from optimizer.services import hand_to_gate, open_run

    open_run.CHUNK_LISTINGS, hand_to_gate.SLICE = CHUNK, SLICE  # type: ignore[misc]  # the drill's, in its own process
    call_command("optimize_prices", channel=code, key=code)


class RunDrill:
    def __init__(self, home: Path, *, seed: int) -> None:
        self.home, self.random = home, random.Random(seed)
        self.servers = EmbeddedServers(home / "servers", durable=True)
        self.killed: Counter[tuple[str, str]] = Counter()
        self.runs = 0

    def run(self, kills: int) -> None:
        codes = ["calm", *(f"channel-{number}" for number in range(kills))]
        with self.servers:
            settings = {"DEBUG": "0", "DJANGO_SETTINGS_MODULE": "pricing_site.settings"}
            self.environment = os.environ | self.servers.environment() | settings
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], check=True, cwd=ROOT, env=self.environment)
            self._python(f"make_channels({codes!r})").wait_or_raise()
            self._process("calm").wait_or_raise()
            calm = self._state("calm")
            assert len(calm) == PRODUCTS and any(row[2] == "published" for row in calm)
            assert self._records_in_force("calm") == PRODUCTS
            for number, code in enumerate(track(codes[1:], "kills")):
                self._disturb(code, *CASES[number % len(CASES)])
                assert self._state(code) == calm, f"{code} ended otherwise"
                self._records_in_force(code)
            subprocess.run([sys.executable, "manage.py", "check_ledger"], check=True, cwd=ROOT, env=self.environment)

    def _disturb(self, code: str, stage: str, victim: str) -> None:
        process = self._process(code)
        self._wait_for(stage, code, process)
        time.sleep(self.random.uniform(0.0, 0.15))
        self.killed[stage, victim] += 1
        server = {"postgres": self.servers.postgres, "redis": self.servers.cache}.get(victim)
        child = server.child.process if server else process
        child.kill()
        child.wait()
        if server:
            server.spawn(port=server.port)
            server.wait_ready()
        for _ in range(TRIES):
            if process.wait(PATIENCE_SECONDS) == 0:
                return
            process = self._process(code)
        process.wait_or_raise()

    def _wait_for(self, stage: str, code: str, process: "Process") -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        with psycopg.connect(self.servers.postgres.url, autocommit=True) as connection:
            while time.monotonic() < deadline:
                run = connection.execute("SELECT id FROM optimizer_optimizationrun WHERE key = %s", [code]).fetchone()
                reached = connection.execute(STAGES[stage], run).fetchone() if run else None
                if reached and reached[0]:
                    return
                if process.poll() is not None:
                    process.wait_or_raise()
        raise AssertionError(f"{code} did not come to {stage}")

    def _state(self, code: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.servers.postgres.url) as connection:
            rows = connection.execute(STATE_SQL, [code]).fetchall()
            status = connection.execute(
                "SELECT status, portfolio->>'value', portfolio->>'bound' FROM optimizer_optimizationrun WHERE key = %s",
                [code],
            ).fetchall()
        assert status and status[0][0] == "succeeded", status
        return [(*row, *status[0]) for row in rows]

    def _records_in_force(self, code: str) -> int:
        """Return how many records Redis holds, all of which say what is in force."""
        found, redis = 0, Redis.from_url(self.servers.cache.url)
        with psycopg.connect(self.servers.postgres.url) as connection:
            epoch = connection.execute("SELECT coalesce(max(number), 0) FROM catalog_cacheepoch").fetchone()
            assert epoch is not None
            prefix = namespace(redis.info("server")["run_id"], epoch[0])
            for sku, revision, version in connection.execute(IN_FORCE_SQL, [code]).fetchall():
                held = redis.get(prefix + price_name(code, sku))
                value = decoded(held) if held else None
                if value is not None and value.kind is Kind.RECORD:
                    found += 1
                    assert value.revision == revision, (code, sku, value)
                    assert json.loads(value.content)["version"] == version, (code, sku, value)
        return found

    def _process(self, code: str) -> "Process":
        return self._python(f"run_command({code!r})")

    def _python(self, call: str) -> "Process":
        self.runs += 1
        log = self.home / f"{self.runs:03}.log"
        name = call.split("(")[0]
        text = f"import django; django.setup(); from tests.optimizer.run_drill import {name}; {call}"
        return Process(text, log, self.environment)

    @property
    def report(self) -> str:
        kills = ", ".join(f"{victim} in {stage} {times}" for (stage, victim), times in sorted(self.killed.items()))
        return f"killed: {kills}. Every run ended like the one that nobody disturbed."


class Process(subprocess.Popen[bytes]):
    """Python that runs a text and writes what it says to a file."""

    def __init__(self, text: str, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("wb") as file:
            super().__init__([sys.executable, "-c", text], cwd=ROOT, env=environment, stdout=file, stderr=file)

    def wait_or_raise(self) -> None:
        if self.wait(PATIENCE_SECONDS):
            raise AssertionError(self.log.read_text()[-4000:])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--kills", type=int, default=30)
    options.add_argument("--seed", type=int, default=int(time.time()))
    arguments = options.parse_args()
    print(json.dumps({"seed": arguments.seed}))
    with tempfile.TemporaryDirectory() as folder:
        drill = RunDrill(Path(folder), seed=arguments.seed)
        drill.run(arguments.kills)
    print(drill.report)


if __name__ == "__main__":
    main()
