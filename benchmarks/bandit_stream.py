"""The bandit end to end: demand events through the broker, Postgres and back as decisions, and their outcomes.

``python -m pricing_site.embedded exec --ephemeral -- python -m benchmarks.bandit_stream`` starts the servers, and this
script the product's own processes (`run_bandit`, `relay_outbox`) and a storefront that asks and answers. All of it
shares the machine's cores. First as fast as it goes, with a bounded number of events under way; then at a steady rate,
for the time from an event to its decision. At the end what was learned must be exactly what was produced.

There is no peer: no other bandit learns exactly once over Kafka and Postgres. The peers of its core are in
`bandit_speed.py`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pricing_site.settings")
UNDER_WAY = 12_000
WARM_UP_SECONDS = 10
PRODUCTS, LOCATIONS = 25, 4


class Storefront:
    """Asks for prices and answers them, over the fastest client there is: it must not be what is measured."""

    def __init__(self) -> None:
        from confluent_kafka import Consumer, Producer
        from django.conf import settings

        from streaming.topics import Topic

        self.topics = Topic
        brokers = {"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS}
        self.producer = Producer(brokers | {"linger.ms": 10, "queue.buffering.max.messages": 200_000})
        self.consumer = Consumer(
            brokers
            | {"group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 5}
            | {"enable.auto.commit": False}
        )
        self.consumer.subscribe([Topic.PRICING_DECISIONS.deployed_name])
        self.rng = np.random.default_rng(1)
        self.asked_at: dict[str, float] = {}
        self.latencies: list[float] = []
        self.decisions: Counter[str] = Counter()
        self.outcomes: dict[str, bool] = {}

    def ask(self, number: int) -> None:
        skus, places = self.rng.integers(0, PRODUCTS, number), self.rng.integers(0, LOCATIONS, number)
        demands, ids = self.rng.integers(0, 40, number), self.rng.bytes(16 * number)
        moment = datetime.now(UTC).isoformat()
        for at in range(number):
            event = str(uuid.UUID(bytes=ids[16 * at : 16 * at + 16]))
            sku, place = f"S{skus[at]}", f"shop-{places[at]}"
            value = (
                f'{{"schema_version": 1, "event_id": "{event}", "occurred_at": "{moment}", "channel": "web", '
                f'"sku": "{sku}", "location": "{place}", "demand": {demands[at]}, "supply": 20}}'
            )
            self.asked_at[event] = time.monotonic()
            self._send(self.topics.DEMAND_EVENTS, f"web:{sku}:{place}", value)
        self.producer.poll(0)

    def answer(self, seconds: float) -> int:
        """Read decisions for a moment and answer each; return how many came."""
        read = self.consumer.consume(2_000, timeout=seconds)
        messages = [each for each in read if not each.error()]  # at first there is no topic
        now, moment = time.monotonic(), datetime.now(UTC).isoformat()
        luck = self.rng.random(len(messages)).tolist()
        for message, point in zip(messages, luck, strict=True):
            decision = json.loads(message.value())
            key = decision["decision_id"]
            self.decisions[key] += 1
            asked = self.asked_at.pop(decision["event_id"], None)
            if asked is not None:
                self.latencies.append(now - asked)
            self.outcomes[key] = point < 0.3
            value = (
                f'{{"schema_version": 1, "event_id": "{uuid.uuid4()}", "decision_id": "{key}", '
                f'"outcome": "{"purchased" if point < 0.3 else "rejected"}", "occurred_at": "{moment}"}}'
            )
            self._send(self.topics.PRICING_OUTCOMES, message.key(), value)
        self.producer.poll(0)
        return len(messages)

    def _send(self, topic: Any, key: Any, value: str) -> None:
        self.producer.produce(topic.deployed_name, key=key, value=value)


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


def at_full_speed(shop: Storefront, processes: dict[str, int], seconds: float) -> None:
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


def at_rate(shop: Storefront, rate: float, seconds: float) -> None:
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


def drain(shop: Storefront) -> None:
    deadline = time.monotonic() + 60
    while shop.asked_at and time.monotonic() < deadline:
        shop.answer(0.05)
    shop.producer.flush(10)
    while settled() < len(shop.outcomes) and time.monotonic() < deadline:
        shop.answer(0.05)


def check(shop: Storefront) -> None:
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
    from django.core.management import call_command

    from tests.factories import make_listing

    call_command("migrate", verbosity=0)
    for number in range(PRODUCTS):
        make_listing(f"S{number}")
    with ExitStack() as stack:
        names = ("run_bandit", "relay_outbox")
        processes = {name: stack.enter_context(running(name)).pid for name in names} | {"storefront": os.getpid()}
        shop = Storefront()
        at_full_speed(shop, processes, arguments.seconds)
        at_rate(shop, arguments.rate, arguments.seconds)
        check(shop)


if __name__ == "__main__":
    main()
