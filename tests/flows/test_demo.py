"""The main job on real data: killed at several moments and begun again, it ends as if undisturbed."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

# The line of the output after which the job is killed, and how many seconds later: in the middle of the next step.
KILLED_AFTER = (
    ("", 2.0),
    ("import sales", 1.0),
    ("assume costs", 1.2),
    ("learn elasticities", 0.8),
    ("learn elasticities", 2.0),
    ("optimise and publish", 0.1),
)
STATE_SQL = """
SELECT product.sku, product.name, category.code, listing.list_price, listing.unit_cost, listing.inventory,
       listing.price, listing.price_source, change.version, change.price, change.previous_price, change.prior_price,
       change.source, change.floor, change.binding_rule, change.explanation -> 'candidate',
       (SELECT count(*) FROM catalog_weeklysales sales WHERE sales.listing_id = listing.id),
       (SELECT string_agg(offer.competitor || offer.price, ',' ORDER BY offer.competitor)
          FROM catalog_competitorprice offer WHERE offer.listing_id = listing.id)
  FROM catalog_listing listing
  JOIN catalog_product product ON product.id = listing.product_id
  JOIN catalog_category category ON category.id = product.category_id
  JOIN catalog_pricechange change ON change.listing_id = listing.id
 ORDER BY product.sku, change.version
"""
COUNTS_SQL = """
SELECT (SELECT count(*) FROM catalog_salesimport), (SELECT count(*) FROM optimizer_elasticityfit),
       (SELECT count(*) FROM optimizer_elasticityestimate), (SELECT count(*) FROM optimizer_optimizationrun),
       (SELECT count(*) FROM optimizer_recommendation), (SELECT count(*) FROM catalog_guardrailpolicy),
       (SELECT count(*) FROM catalog_apikey), (SELECT count(*) FROM auth_user)
"""


class Shop:
    """A database of its own on the test server, as a fresh clone would have it."""

    def __init__(self, name: str, home: Path) -> None:
        self.name, self.home = name, home
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {name}")
        self.url = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{name}"
        self.environment = {
            **os.environ,
            "DATABASE_URL": self.url,
            "DEMO_HOME": str(home),
            "HOME": str(home),
            "PYTHONUNBUFFERED": "1",
        }
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=self.environment, check=True)

    def start_demo(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--learn", "3"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish_demo(self) -> str:
        demo = self.start_demo()
        output, _ = demo.communicate(timeout=300)
        assert demo.returncode == 0, output
        return output

    def kill_demo_after(self, line: str, seconds: float) -> bool:
        """Start the job and kill it after a line of its output; False where it had ended before."""
        demo = self.start_demo()
        assert demo.stdout is not None
        while line and not demo.stdout.readline().startswith(line):
            pass
        time.sleep(seconds)
        was_running = demo.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(demo.pid, signal.SIGKILL)
        demo.communicate()
        return was_running

    def state(self) -> tuple[list[Any], list[Any]]:
        with psycopg.connect(self.url) as shop:
            return shop.execute(STATE_SQL).fetchall(), shop.execute(COUNTS_SQL).fetchall()


@pytest.fixture
def shops(transactional_db: None, tmp_path: Path):
    made: list[Shop] = []
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")

    def make(name: str) -> Shop:
        home = tmp_path / name
        home.mkdir()
        made.append(Shop(f"demo_{worker}_{name}", home))
        return made[-1]

    yield make
    for shop in made:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {shop.name} WITH (FORCE)")


def test_a_demo_killed_again_and_again_ends_as_an_undisturbed_one(shops):
    print("runs the demo nine times: one to three minutes on two cores")
    undisturbed, killed = shops("undisturbed"), shops("killed")
    output = undisturbed.finish_demo()
    assert "3,340 of 3,401" in output and "replayed from its inputs" in output
    report = (undisturbed.home / "report.html").read_text()
    assert report.count("<svg") == 5
    assert not re.search(r"<(script|link|img|iframe)|src=|url\(['\"]?http|@import", report)  # self-contained

    assert sum(killed.kill_demo_after(*moment) for moment in KILLED_AFTER) >= 3
    killed.finish_demo()
    rows, counts = undisturbed.state()
    assert killed.state() == (rows, counts)
    assert len({row[0] for row in rows}) == 3_401

    killed.finish_demo()  # once more, undisturbed and warm: nothing changes
    assert killed.state() == (rows, counts)
