"""Read 50 online features of one SKU and of 1,000 SKUs from Redis, beside Feast on the same server.

Both hold the same numbers and must return the same. Then what only ours does is timed: the batch that refreshes, the
answer from Postgres when Redis is away, training frames; and both are asked for a training row whose newest event
arrived after its moment. Feast has an environment of its own, at FEAST_PYTHON or in ``.venv-peers/feast``. Run:
``.venv/bin/python -m pricing_site.embedded exec --ephemeral -- .venv/bin/python -m benchmarks.feature_store``
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
FEAST_PYTHON = Path(os.environ.get("FEAST_PYTHON", ROOT / ".venv-peers" / "feast" / "bin" / "python"))
SKUS, ROUNDS = 1_000, 5
READS = {1: (2_000, 100), SKUS: (100, 3)}  # ours and Feast's, a round
LISTINGS, EVENTS = 10_000, 500_000
CHANNEL = "bench"


class Feast:
    """Feast in a process of its own."""

    def __init__(self) -> None:
        peer = ROOT / "benchmarks" / "peers" / "feast_peer.py"
        self.process = subprocess.Popen(
            [FEAST_PYTHON, peer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"Feast ended: run {FEAST_PYTHON} {self.process.args[1]} by hand to see why")
        return json.loads(answer)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)


def timed(work: Callable[[], Any], times: int) -> tuple[list[float], Any]:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    return seconds, result


def compare_online_reads(console: Console, feast: Feast) -> None:
    from django.utils import timezone

    from optimizer.features.definitions import COLUMNS, NAMES, TIMES
    from optimizer.features.online import store_records
    from optimizer.features.serving import online_features

    now = timezone.now()
    records = np.random.default_rng(1).lognormal(3, 2, size=(SKUS, len(COLUMNS)))
    records[:, 0] = now.timestamp()
    skus = [f"SKU-{number:04d}" for number in range(SKUS)]
    assert store_records(channel=CHANNEL, skus=skus, records=records)
    address = urlsplit(os.environ["REDIS_URL"])
    password = f",password={address.password}" if address.password else ""
    redis = f"{address.hostname}:{address.port},db=3{password}"
    feast.ask("load", redis=redis, names=NAMES, skus=skus, values=records[:, TIMES:].tolist())

    ours: dict[int, list[float]] = {size: [] for size in READS}
    peer: dict[int, list[float]] = {size: [] for size in READS}
    for _ in track(range(ROUNDS), "rounds", console=console):
        for size, (our_reads, peer_reads) in READS.items():
            asked = skus[:size]
            seconds, found = timed(lambda asked=asked: online_features(channel=CHANNEL, skus=asked, now=now), our_reads)
            answer = feast.ask("read", skus=asked, times=peer_reads)
            assert np.array_equal(found.rows.values, np.array(answer["values"])), "the two stores disagree"
            ours[size] += seconds
            peer[size] += answer["seconds"]
    title = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {ROUNDS} rounds"
    table = Table("50 features of", "", "median", "p99", title=title)
    for size in READS:
        for name, times in (("ours", ours[size]), ("Feast", peer[size])):
            median, p99 = statistics.median(times), float(np.quantile(times, 0.99))
            table.add_row(f"{size:,} SKU{'s' * (size > 1)}", name, f"{median * 1e3:.3f} ms", f"{p99 * 1e3:.3f} ms")
    console.print(table)
    for size in READS:
        ratio = statistics.median(peer[size]) / statistics.median(ours[size])
        console.print(f"ratio for {size:,}: {ratio:,.1f}, medians; the values are equal")


def add_shop() -> list[int]:
    """Return the keys of listings with prices, stock and a month of events, written in bulk."""
    from django.db import connection

    from catalog.models import Channel, Listing, Product

    channel = Channel.objects.create(code=CHANNEL, name="Bench", currency="GBP", country="GB")
    products = Product.objects.bulk_create(Product(sku=f"P{number}", name="P") for number in range(LISTINGS))
    Listing.objects.bulk_create(
        Listing(product=product, channel=channel, list_price=10, unit_cost=6, inventory=50) for product in products
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO optimizer_activityrecording (channel_id, began_at) VALUES (%s, now() - interval '1 year')",
            [channel.pk],
        )
        cursor.execute(
            """INSERT INTO optimizer_activityincrement
                      (kind, source_id, listing_id, happened_at, known_at, views, requests, units, revenue)
               SELECT 'view', gen_random_uuid(), first + number %% %(listings)s, at, at, 1, 3, 0, 0
                 FROM generate_series(1, %(events)s) number, (SELECT min(id) AS first FROM catalog_listing) listing,
                      LATERAL (SELECT now() - random() * interval '28 days' + number * interval '0 s' AS at) time""",
            {"listings": LISTINGS, "events": EVENTS},
        )
        cursor.execute("ANALYZE")
    return list(Listing.objects.order_by("pk").values_list("pk", flat=True))


def time_ours_alone(console: Console) -> None:
    from django.utils import timezone

    from catalog.models import Channel
    from optimizer.features.history import feature_records
    from optimizer.selectors.training import training_frame
    from optimizer.services.refresh_features import refresh_features

    pks = add_shop()
    channel = Channel.objects.get(code=CHANNEL)
    rng = np.random.default_rng(2)
    (first,), _ = timed(lambda: refresh_features(channel=channel), 1)
    again, _ = timed(lambda: refresh_features(channel=channel), 3)
    thousand, _ = timed(lambda: feature_records(listing_ids=pks[:SKUS], moments=[timezone.now()] * SKUS), 5)
    now = timezone.now()
    moments = [now - timedelta(hours=float(ago)) for ago in rng.uniform(0, 700, LISTINGS)]
    frames, _ = timed(lambda: training_frame(listing_ids=pks, moments=moments, now=now), 3)
    table = Table("ours alone", "", title=f"{LISTINGS:,} listings, {EVENTS:,} events in 28 days")
    table.add_row("refresh, everything new", f"{first:.2f} s")
    table.add_row("refresh, nothing changed but time", f"{statistics.median(again):.2f} s")
    table.add_row("1,000 SKUs from Postgres, Redis away", f"{statistics.median(thousand) * 1e3:.0f} ms")
    table.add_row(f"training frame of {LISTINGS:,} rows", f"{statistics.median(frames):.2f} s")
    console.print(table)


def ask_about_a_late_event(console: Console, feast: Feast) -> None:
    """A moment 10 minutes ago; an event of an hour ago that arrived 5 minutes ago was not known then."""
    from django.utils import timezone

    from catalog.models import Listing
    from optimizer.models import ActivityIncrement
    from optimizer.selectors.training import training_frame

    now, pk = timezone.now(), Listing.objects.values_list("pk", flat=True).latest("pk")

    def row() -> float:
        frame = training_frame(listing_ids=[pk], moments=[now - timedelta(minutes=10)], now=now, features=["views_6h"])
        return frame["views_6h"][0]

    before = row()
    ActivityIncrement.objects.create(
        kind="view", source_id=uuid.uuid4(), listing_id=pk, views=1,
        happened_at=now - timedelta(hours=1), known_at=now - timedelta(minutes=5),
    )  # fmt: skip
    assert row() == before, "ours saw the future"
    sees = "yes" if feast.ask("late")["seen"] == 2.0 else "no"
    console.print(f"a training row sees an event that arrived after its moment: ours no, Feast {sees}")


def main() -> None:
    if not FEAST_PYTHON.exists():
        sys.exit(
            f"No Feast at {FEAST_PYTHON}: python3 -m venv .venv-peers/feast && "
            ".venv-peers/feast/bin/pip install -r benchmarks/peers/feast.txt"
        )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pricing_site.settings")
    django.setup()
    from django.core.management import call_command

    console = Console()
    call_command("migrate", verbosity=0)
    feast = Feast()
    try:
        compare_online_reads(console, feast)
        time_ours_alone(console)
        ask_about_a_late_event(console, feast)
    finally:
        feast.close()


if __name__ == "__main__":
    main()
