"""Kill what the bandit stands on, again and again under load, and see whether it learned exactly what happened.

``python -m tests.streaming.drill --kills 50``: servers of its own in a new folder, the product's own processes, a
market that asks and answers. In turn the consumer, the relay, Postgres and Redis are killed with -9 at a random moment
and started again. The broker is not: the one for development keeps its log in memory, and loses it.

Afterwards, when all has been read, there must be one decision for every event; decisions, counts by arm and epoch and
offsets must be those that follow from what the market sent; and the beliefs of the policies, worked out from the counts
in the database and from the market's own notes, must be equal bit for bit.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from rich.progress import track

from experiments.stats.beta_bernoulli import BetaBernoulli
from experiments.stats.demand_curve_bank import DemandCurveBank
from experiments.stats.outcome_counts import OutcomeCounts
from pricing_site.embedded.servers import EmbeddedServers
from tests.streaming.market import Market

ROOT = Path(__file__).parents[2]
PRODUCTS, LOCATIONS = 6, 3
EVENTS_A_SECOND = 300
EPOCH_SECONDS = 5
"""Short, so that a drill goes through many."""
SETTLE_SECONDS = 60
VICTIMS = ("run_bandit", "relay_outbox", "postgres", "redis")
MAKE_PRODUCTS = (
    "import django; django.setup(); from tests.factories import make_listing; "
    f"[make_listing(f'S{{number}}') for number in range({PRODUCTS})]"
)

DECISIONS_SQL = "SELECT decision_id::text, event_id::text, arm_id, decided_at, state FROM experiments_pricingdecision"
ARMS_SQL = "SELECT context_id, array_agg(id ORDER BY price) FROM experiments_banditarm GROUP BY 1 ORDER BY 1"


class Drill:
    def __init__(self, home: Path, *, seed: int) -> None:
        self.home, self.random = home, random.Random(seed)
        self.servers = EmbeddedServers(home / "servers", durable=True)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.killed: Counter[str] = Counter()
        self.stop_asking = threading.Event()

    def run(self, kills: int) -> None:
        with ExitStack() as stack:
            stack.enter_context(self.servers)
            self.environment = (
                os.environ
                | self.servers.environment()
                | {
                    "DEBUG": "0",
                    "KAFKA_TOPIC_PREFIX": "",
                    "BANDIT_EPOCH_SECONDS": str(EPOCH_SECONDS),
                    "DJANGO_SETTINGS_MODULE": "pricing_site.settings",
                }
            )
            self._call(sys.executable, "manage.py", "migrate", "--verbosity", "0")
            self._call(sys.executable, "-c", MAKE_PRODUCTS)
            stack.callback(self._end)
            for name in ("run_bandit", "relay_outbox"):
                self._start(name)
            self.market = Market(self.servers.kafka.address, products=PRODUCTS, locations=LOCATIONS)
            load = threading.Thread(target=self._ask_and_answer)
            load.start()
            try:
                while len(self.market.outcomes) < EVENTS_A_SECOND:
                    time.sleep(0.1)
                for number in track(range(kills), "kills"):
                    time.sleep(self.random.uniform(0.2, 2.0))
                    self._kill(VICTIMS[number % len(VICTIMS)])
            finally:
                self.stop_asking.set()
                load.join()
            self._settle()
            self._check()
            self._stop_gracefully()

    def _ask_and_answer(self) -> None:
        began, asked = time.monotonic(), 0
        while not self.stop_asking.is_set():
            due = int((time.monotonic() - began) * EVENTS_A_SECOND) - asked
            self.market.ask(due)
            asked += due
            self.market.answer(0.02)

    def _call(self, *command: str) -> None:
        subprocess.run(command, check=True, cwd=ROOT, env=self.environment)

    def _start(self, name: str) -> None:
        command = [sys.executable, "manage.py", name]
        if name == "run_bandit":
            command += ["--session-timeout", "4"]  # the broker for development takes 3 s to form a group
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def _kill(self, victim: str) -> None:
        dead = [name for name, process in self.processes.items() if process.poll() is not None]
        assert not dead, f"{dead} ended by itself"
        self.killed[victim] += 1
        server = {"postgres": self.servers.postgres, "redis": self.servers.cache}.get(victim)
        process = server.child.process if server else self.processes[victim]
        process.kill()
        process.wait()
        if server:
            server.spawn(port=server.port)
            server.wait_ready()
        else:
            self._start(victim)

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.servers.postgres.url) as connection:
            return connection.execute(statement).fetchall()

    def _settle(self) -> None:
        """Wait until every event is decided, heard of and answered, and every answer is learned."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            self.market.answer(0.2)
            self.market.producer.flush(10)
            if not self.market.asked_at and self._is_read():
                return
        raise AssertionError(f"not settled after {SETTLE_SECONDS} s: {len(self.market.asked_at)} events undecided")

    def _is_read(self) -> bool:
        stored = self._query("SELECT topic, partition, next_offset FROM experiments_streamoffset")
        read = {(topic, partition): offset for topic, partition, offset in stored}
        return read == {key: end for key, end in self.market.ends().items() if end}

    def _check(self) -> None:
        rows = self._query(
            "SELECT decision_id::text, event_id::text, arm_id, decided_at, state FROM experiments_pricingdecision"
        )
        assert len(rows) == len({row[1] for row in rows}) and {row[1] for row in rows} == self.market.events
        assert {row[0] for row in rows} == set(self.market.outcomes) == set(self.market.decisions)
        assert all(row[4] == ("purchased" if self.market.outcomes[row[0]] else "rejected") for row in rows)
        told = [(arm, int(at.timestamp()) // EPOCH_SECONDS, self.market.outcomes[key]) for key, _, arm, at, _ in rows]
        counted = self._query("SELECT arm_id, epoch, decided, purchases, rejections FROM experiments_armcount")
        by_hand: dict[tuple[int, int], list[int]] = {}
        for arm, epoch, bought in told:
            row = by_hand.setdefault((arm, epoch), [0, 0, 0])
            row[0] += 1
            row[1 if bought else 2] += 1
        assert {(arm, epoch): list(rest) for arm, epoch, *rest in counted if any(rest)} == by_hand
        self._compare_beliefs(counted, told)
        assert not self._query("SELECT 1 FROM experiments_deadletter"), "something was not understood"
        assert not self._query("SELECT 1 FROM experiments_outboxbatch"), "something was not sent"
        assert self._query("SELECT coalesce(sum(lost), 0)::int FROM experiments_streamoffset") == [(0,)]

    def _compare_beliefs(self, counted: list[tuple[int, ...]], told: list[tuple[int, int, bool]]) -> None:
        arms = self._query(
            "SELECT context_id, array_agg(id ORDER BY price) FROM experiments_banditarm GROUP BY 1 ORDER BY 1"
        )
        place = {arm: (row, column) for row, (_, own) in enumerate(arms) for column, arm in enumerate(own)}
        first = min(epoch for _, epoch, _ in told)
        last = max(epoch for _, epoch, _ in told)
        stored = OutcomeCounts(first, *(np.zeros((last - first + 1, len(arms), 5), np.int64) for _ in range(3)))
        for arm, epoch, decided, purchases, rejections in counted:
            at = (epoch - first, *place[arm])
            stored.decided[at], stored.purchases[at], stored.rejections[at] = decided, purchases, rejections
        noted = OutcomeCounts.empty(len(arms), 5, first_epoch=first)
        random.Random(1).shuffle(told)  # in any order
        contexts, columns = np.array([place[arm] for arm, _, _ in told]).T
        epochs, bought = np.array([epoch for _, epoch, _ in told]), np.array([each for _, _, each in told])
        noted.record_decisions(contexts, columns, epochs)
        noted.learn(contexts, columns, bought, epochs)
        posteriors = [BetaBernoulli().posterior(counts, epoch=last) for counts in (stored, noted)]
        assert [each.tobytes() for each in posteriors[0]] == [each.tobytes() for each in posteriors[1]]
        beliefs = [DemandCurveBank().belief(counts, epoch=last).tobytes() for counts in (stored, noted)]
        assert beliefs[0] == beliefs[1]

    def _stop_gracefully(self) -> None:
        for process in self.processes.values():
            process.terminate()
        assert [process.wait(30) for process in self.processes.values()] == [0, 0]

    def _end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    @property
    def report(self) -> str:
        kills = ", ".join(f"{name} {number}" for name, number in sorted(self.killed.items()))
        twice = sum(number > 1 for number in self.market.decisions.values())
        return (
            f"killed: {kills}. {len(self.market.events):,} events, each decided once; {len(self.market.outcomes):,} "
            f"outcomes, each learned once; {twice:,} decisions sent twice. Beliefs are equal bit for bit, offsets too."
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--seed", type=int, default=int(time.time()))
    arguments = options.parse_args()
    print(json.dumps({"seed": arguments.seed}))
    with tempfile.TemporaryDirectory() as folder:
        drill = Drill(Path(folder), seed=arguments.seed)
        try:
            drill.run(arguments.kills)
        except BaseException:
            for log in Path(folder).glob("*.log"):
                print(f"--- {log.name}", *log.read_text().splitlines()[-40:], sep="\n")
            raise
    print(drill.report)


if __name__ == "__main__":
    main()
