"""The bandit end to end: demand events through the broker, Postgres and back as decisions, and their outcomes.

``python -m pricing_site.embedded exec --ephemeral -- python -m benchmarks.bandit_stream`` starts the servers, and this
script the product's own processes (`run_bandit`, `relay_outbox`) and a storefront that asks and answers. All of it
shares the machine's cores. First as fast as it goes, with a bounded number of events under way; then at a steady rate,
for the time from an event to its decision. At the end what was learned must be exactly what was produced.

There is no peer: no other bandit learns exactly once over Kafka and Postgres. The peers of its core are in
`bandit_speed.py`.
"""

import argparse
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from tests.streaming.market import Market

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pricing_site.settings")
UNDER_WAY = 12_000
WARM_UP_SECONDS = 10
PRODUCTS, LOCATIONS = 25, 4


@contextmanager
def running(command: str):
    # As deployed: in debugging Django keeps every statement.
    environment = os.environ | {"DEBUG": "0"}
    process = subprocess.Popen([sys.executable, "manage.py", command], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settled() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(purchases + rejections), 0) FROM experiments_armcount")
        return int(cursor.fetchone()[0])


def at_full_speed(shop: Market, processes: dict[str, int], seconds: float) -> None:
    began, marks = time.monotonic(), None
    while time.monotonic() - began < WARM_UP_SECONDS + seconds:
        if marks is None and time.monotonic() - began > WARM_UP_SECONDS:
            marks = (time.monotonic(), len(shop.outcomes), settled(), {n: cpu_seconds(p) for n, p in processes.items()})
        if (room := UNDER_WAY - len(shop.asked_at)) > 0:
            shop.ask(min(room, 1_000))
        shop.answer(0.005)
    since, decided, learned, used = marks
    spent = time.monotonic() - since
    print(f"decisions/s {(len(shop.outcomes) - decided) / spent:,.0f}, outcomes/s {(settled() - learned) / spent:,.0f}")
    for name, pid in processes.items():
        print(f"  {name}: {(cpu_seconds(pid) - used[name]) / spent:.2f} cores")


def at_rate(shop: Market, rate: float, seconds: float) -> None:
    drain(shop)
    began, asked = time.monotonic(), 0
    while (passed := time.monotonic() - began) < WARM_UP_SECONDS + seconds:
        if passed < WARM_UP_SECONDS:
            shop.latencies.clear()
        if (due := int(passed * rate) - asked) > 0:
            shop.ask(due)
            asked += due
        shop.answer(0.001)
    found = 1000 * np.percentile(shop.latencies, [50, 95, 99, 99.9])
    print(
        f"event to decision at {rate:,.0f}/s, ms: "
        + ", ".join(f"{name} {value:.1f}" for name, value in zip(("p50", "p95", "p99", "p99.9"), found, strict=True))
    )


def drain(shop: Market) -> None:
    deadline = time.monotonic() + 60
    while shop.asked_at and time.monotonic() < deadline:
        shop.answer(0.05)
    shop.producer.flush(10)
    while settled() < len(shop.outcomes) and time.monotonic() < deadline:
        shop.answer(0.05)


def check(shop: Market) -> None:
    """What is in the database must be what was produced, each once."""
    from experiments.models import ArmCount, PricingDecision

    drain(shop)
    arm_of = dict(PricingDecision.objects.values_list("decision_id", "arm_id"))
    assert {str(key) for key in arm_of} == set(shop.outcomes), "decisions are not those that were read"
    bought: Counter[int] = Counter()
    left: Counter[int] = Counter()
    for key, purchased in shop.outcomes.items():
        (bought if purchased else left)[arm_of[uuid.UUID(key)]] += 1
    counted: dict[int, list[int]] = {}
    for arm, purchases, rejections in ArmCount.objects.values_list("arm", "purchases", "rejections"):
        row = counted.setdefault(arm, [0, 0])
        row[0] += purchases
        row[1] += rejections
    assert counted == {arm: [bought[arm], left[arm]] for arm in counted}, "counts are not the outcomes"
    twice = sum(1 for number in shop.decisions.values() if number > 1)
    print(f"{len(shop.outcomes):,} decisions and outcomes, each learned once; {twice} messages came twice")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--rate", type=float, default=1_000)
    arguments = options.parse_args()
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from tests.factories import make_listing

    call_command("migrate", verbosity=0)
    for number in range(PRODUCTS):
        make_listing(f"S{number}")
    with ExitStack() as stack:
        names = ("run_bandit", "relay_outbox")
        processes = {name: stack.enter_context(running(name)).pid for name in names} | {"storefront": os.getpid()}
        shop = Market(settings.KAFKA_BOOTSTRAP_SERVERS, products=PRODUCTS, locations=LOCATIONS)
        at_full_speed(shop, processes, arguments.seconds)
        at_rate(shop, arguments.rate, arguments.seconds)
        check(shop)


if __name__ == "__main__":
    main()
