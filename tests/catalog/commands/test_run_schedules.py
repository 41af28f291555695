"""The process, on a real database: on time, once, and through whatever happens to it."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from catalog.models import Listing, PriceChange, PriceOverride
from catalog.override_requests import OverrideRequest
from catalog.services.apply_overrides import apply_due_overrides
from catalog.services.overrides import cancel_override, schedule_override, schedule_overrides
from tests.factories import make_listing

pytestmark = pytest.mark.django_db(transaction=True)


def environment():
    database = connection.settings_dict
    address = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return os.environ | {"DATABASE_URL": f"postgres://{address}"}


@pytest.fixture
def schedules(tmp_path: Path):
    """Start the process, as often as asked; kill what is left of it at the end."""
    started, log = [], tmp_path / "log"

    def start():
        before = log.read_text().count("from now on") if log.exists() else 0
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_schedules"],
            cwd=settings.BASE_DIR,
            env=environment(),
            stdout=log.open("a"),
            stderr=subprocess.STDOUT,
        )
        process.log = log
        started.append(process)
        wait_for(lambda: log.read_text().count("from now on") > before)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    print(log.read_text())  # pytest shows it where the test failed


def wait_for(condition, seconds=60.0, every=0.02):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every)


def schedule(listing, price="8.00", *, starts_in=None, ends_in=None, now=None):
    now = now or timezone.now()
    request = OverrideRequest(
        sku=listing.product.sku,
        price=Decimal(price),
        reason="Trade fair",
        starts_at=None if starts_in is None else now + timedelta(seconds=starts_in),
        ends_at=None if ends_in is None else now + timedelta(seconds=ends_in),
    )
    return schedule_override(channel=listing.channel, request=request, now=now)


def status_of(override):
    return PriceOverride.objects.get(pk=override.pk).status


def test_starts_and_ends_on_time_though_scheduled_while_it_sleeps(schedules):
    process = schedules()
    time.sleep(0.5)  # it sleeps now, with nothing to wait for
    override = schedule(make_listing(), starts_in=1.5, ends_in=3)
    wait_for(lambda: status_of(override) == "ended")
    start, end = PriceChange.objects.order_by("version")
    assert 0 <= (start.valid_from - override.starts_at).total_seconds() < 5
    assert 0 <= (end.valid_from - override.ends_at).total_seconds() < 5
    assert (str(start.price), end.source) == ("8.0000", "list_price")

    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_sigint_ends_it_cleanly_too(schedules):
    process = schedules()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert "Traceback" not in process.log.read_text()


def test_a_cancelled_one_does_not_start(schedules):
    schedules()
    override = schedule(make_listing(), starts_in=1)
    cancel_override(override_id=override.pk, now=timezone.now(), who="ann")
    time.sleep(1.5)
    assert status_of(override) == "cancelled" and not PriceChange.objects.exists()


def test_several_at_once_apply_each_once(schedules):
    listings = [make_listing() for _ in range(40)]
    for _ in range(3):
        schedules()
    start = timezone.now() + timedelta(seconds=2)
    requests = [
        OverrideRequest(listing.product.sku, Decimal(8), "Fair", starts_at=start, ends_at=start + timedelta(seconds=1))
        for listing in listings
    ]
    schedule_overrides(channel=listings[0].channel, requests=requests, now=timezone.now())
    wait_for(lambda: PriceOverride.objects.filter(status="ended").count() == 40)
    changes = PriceChange.objects.values_list("listing", "version", "valid_from")
    assert sorted((listing, version) for listing, version, _ in changes) == sorted(
        (listing.pk, version) for listing in listings for version in (1, 2)
    )
    assert max(at for _, version, at in changes if version == 1) - start < timedelta(seconds=1)


def test_it_survives_a_database_that_goes_away_and_comes_back(schedules):
    process = schedules()
    connection.ensure_connection()
    name, ours = connection.settings_dict["NAME"], connection.connection.info.backend_pid
    # From another database: nobody may shut the door of the room that he is in.
    with psycopg.connect(environment()["DATABASE_URL"].replace(f"/{name}", "/postgres"), autocommit=True) as outside:
        outside.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        try:
            terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
            assert len(outside.execute(terminate, [name, ours]).fetchall()) >= 2
            wait_for(lambda: process.log.read_text().count("next attempt") >= 3)
        finally:
            outside.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
    wait_for(lambda: process.log.read_text().count("from now on") == 2)
    override = schedule(make_listing(), starts_in=1.5)
    wait_for(lambda: status_of(override) == "active")
    started_at = PriceOverride.objects.get().started_at
    assert started_at - override.starts_at < timedelta(seconds=1)
    assert process.poll() is None


KILLED = """
import os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "pricing_site.settings"
import django
django.setup()
from django.db import transaction
from django.utils import timezone
from catalog.services import apply_overrides

def die():
    os.kill(os.getpid(), signal.SIGKILL)

published, save, when = apply_overrides.publish_prices, apply_overrides._save, sys.argv[1]

def publish_prices(**arguments):
    report = published(**arguments)
    if when == "published":
        die()
    return report

def _save(rows):
    save(rows)
    if when == "saved" and rows:
        die()
    if when == "committed" and rows:
        transaction.on_commit(die)

apply_overrides.publish_prices, apply_overrides._save = publish_prices, _save
apply_overrides.apply_due_overrides(now=timezone.now())
"""


@pytest.mark.parametrize("when", ["published", "saved", "committed"])
@pytest.mark.parametrize("step", ["start", "end"])
def test_killed_in_the_middle_it_is_applied_once(step, when):
    listings = [make_listing() for _ in range(3)]
    past = timezone.now() - timedelta(hours=2)
    overrides = [
        schedule(listing, starts_in=60, ends_in=3600 if step == "end" else None, now=past) for listing in listings
    ]
    if step == "end":
        assert apply_due_overrides(now=past + timedelta(seconds=61)).started == 3
    done = subprocess.run([sys.executable, "-c", KILLED, when], env=environment(), check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    committed = when == "committed"
    expected = {"start": "active", "end": "ended"}[step]
    assert {status_of(each) == expected for each in overrides} == {committed}

    again = apply_due_overrides(now=timezone.now())
    assert again.started + again.ended == (0 if committed else 3)
    assert {status_of(each) for each in overrides} == {expected}
    changes = [f"{change.price:.2f}" for change in PriceChange.objects.order_by("version", "listing")]
    assert changes == ["8.00"] * 3 + (["10.00"] * 3 if step == "end" else [])
    price = {"start": Decimal(8), "end": Decimal(10)}[step]
    assert set(Listing.objects.values_list("price", flat=True)) == {price}
