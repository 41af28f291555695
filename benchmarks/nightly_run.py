"""A night's run from Postgres to served prices in Redis, with the ledger written: the time of every stage.

Makes a shop in the database that the environment names, which must be empty:
``python -m pricing_site.embedded exec --ephemeral -- sh -c 'python manage.py migrate --verbosity 0 &&
python -m benchmarks.nightly_run --skus 20000'``

The peer is the same run written with Django's models, row by row (`benchmarks.orm_way`), on the first rows, before
ours. Both must come to the same prices.
"""

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import django
from rich.console import Console
from rich.table import Table


class Stages:
    """Times of named stages, said as they end."""

    def __init__(self, console: Console) -> None:
        self.console, self.seconds = console, dict[str, float]()

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        found = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
        self.console.print(f"{name}: {time.perf_counter() - began:.2f} s")
        return found


def run_once(channel: Any, stages: Stages) -> Any:
    """Compute and publish a run in this process, as `optimize_prices` does, and return it."""
    from django.utils import timezone

    from optimizer.services.decide_run import decide_run
    from optimizer.services.open_run import open_run
    from optimizer.services.optimize_chunk import optimize_chunk
    from optimizer.services.publish_run import Part, finish_publishing, parts_left, publish_part
    from optimizer.services.side_by_side import side_by_side
    from optimizer.services.solve_together import solve_together

    def compute(first_pk: int) -> None:
        optimize_chunk(run_id=run.pk, first_pk=first_pk, now=timezone.now())

    def publish(part: Part) -> None:
        publish_part(run_id=run.pk, part=part, now=timezone.now())

    run = stages.timed("open", lambda: open_run(channel=channel, objective="profit", now=timezone.now()))
    chunks = list(run.chunks.order_by("first_pk").values_list("first_pk", flat=True))
    stages.timed("chunks", lambda: list(side_by_side(compute, chunks)))
    stages.timed("relations, goals", lambda: solve_together(run_id=run.pk, now=timezone.now()))
    run = stages.timed("guard numbers", lambda: decide_run(run_id=run.pk, now=timezone.now()))
    stages.timed("gate, ledger, cache", lambda: list(side_by_side(publish, parts_left(run))))
    run = stages.timed("finish", lambda: finish_publishing(run_id=run.pk, now=timezone.now()))
    assert run.status == "succeeded", run.error
    return run


def peer(channel: Any, rows: int) -> tuple[float, dict[int, Any]]:
    """Return the peer's seconds and prices; it leaves nothing behind."""
    from django.utils import timezone

    from benchmarks.orm_way import orm_seconds
    from optimizer.services.open_run import open_run

    if not rows:
        return 0.0, {}
    run = open_run(channel=channel, objective="profit", publishes=False, now=timezone.now())
    found = orm_seconds(run, channel, rows)
    run.delete()
    return found


SIZE_SQL = """
SELECT greatest(pg_total_relation_size(%(name)s::regclass),
                (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(%(name)s::regclass)))
"""


def table_bytes(relation: str) -> int:
    """Return the bytes of a table with its partitions and indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(SIZE_SQL, {"name": relation})
        return int(cursor.fetchone()[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--skus", type=int, default=20_000)
    parser.add_argument("--peer-rows", type=int, default=2_000, help="SKUs of the peer; 0: none")
    parser.add_argument("--goals", action="store_true", help="revenue kept, at most 30 % of the prices changed")
    asked, console = parser.parse_args(), Console()
    os.environ["DEBUG"] = "0"  # as deployed: in debugging Django keeps every statement
    os.environ.setdefault("SECRET_KEY", "benchmark" * 8)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pricing_site.settings")
    django.setup()

    from benchmarks.large_shop import make_shop
    from catalog.models import PriceChange
    from catalog.price_cache import redis_connection
    from optimizer.models import RunGoals

    redis, _ = redis_connection()
    redis.flushall()
    channel = make_shop(asked.skus)
    if asked.goals:
        RunGoals.objects.create(channel=channel, least_revenue_change=0, most_changes=asked.skus * 3 // 10)
    stages = Stages(console)
    peer_seconds, peer_prices = peer(channel, asked.peer_rows)
    run = run_once(channel, stages)
    if not asked.goals:
        ours = dict(run.recommendations.filter(listing__in=peer_prices).values_list("listing", "price"))
        assert ours == peer_prices
    served, written = redis.dbsize(), PriceChange.objects.count()
    assert served >= asked.skus and written >= asked.skus * 0.9, (served, written)
    table = Table("stage", "s", "µs a SKU", title=f"{asked.skus:,} SKUs, {platform.machine()}, {os.cpu_count()} CPUs")
    for name, seconds in [*stages.seconds.items(), ("all", sum(stages.seconds.values()))]:
        table.add_row(name, f"{seconds:.1f}", f"{seconds / asked.skus * 1e6:.0f}")
    console.print(table)
    if peer_prices:
        each, our_own = peer_seconds / len(peer_prices), sum(stages.seconds.values()) / asked.skus
        console.print(f"models row by row: {each * 1e6:,.0f} µs a SKU, {each / our_own:.1f} times ours")
    for relation in ("optimizer_recommendation", "catalog_pricechange", "catalog_listing"):
        console.print(f"{relation}: {table_bytes(relation) / asked.skus:,.0f} bytes a SKU with its indexes")
    console.print(f"Redis: {redis.info('memory')['used_memory'] / asked.skus:,.0f} bytes a SKU")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(f"{written:,} ledger rows, {served:,} keys in Redis; memory of this process at most {used:.1f} GiB")


if __name__ == "__main__":
    main()
