"""Start real servers once for a test run and give every xdist worker a corner of its own in them."""

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from pricing_site.embedded.servers import EmbeddedServers

STARTED_IN = pytest.StashKey[float]()


# Before pytest-django's own, which needs the settings, and before xdist starts the workers.
@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("help", False) or config.getoption("version", False):
        return
    if "pricing_site.settings" in sys.modules:
        raise pytest.UsageError(
            "Settings were read before the servers started, without their addresses: take DJANGO_SETTINGS_MODULE out of"
            " the environment and of pytest's section in pyproject.toml (for once: pytest -o DJANGO_SETTINGS_MODULE=)."
        )
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        start_servers(config)
    if worker or config.getoption("dist", "no") == "no":  # this process runs tests, rather than handing them out
        take_own_corner(worker)
        set_up_django()


def start_servers(config: pytest.Config) -> None:
    """Start the servers and export their addresses, which workers inherit. They stop with pytest, after Ctrl+C too."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="pricing-tests-", ignore_cleanup_errors=True))
        servers = stack.enter_context(EmbeddedServers(Path(home), durable=False))
        os.environ.update(servers.environment())
        config.add_cleanup(stack.pop_all().close)
    config.stash[STARTED_IN] = time.monotonic() - began


def take_own_corner(worker: str | None) -> None:
    """Give this process its own Redis databases and Kafka topics; pytest-django gives it its own Postgres database."""
    number = 0 if worker is None else 1 + int(worker.removeprefix("gw"))
    for name in ("REDIS_URL", "CELERY_BROKER_URL"):
        os.environ[name] = urlunsplit(urlsplit(os.environ[name])._replace(path=f"/{number}"))
    os.environ["KAFKA_TOPIC_PREFIX"] = f"{worker or 'alone'}."


def set_up_django() -> None:
    # Tests of transactions end by emptying all tables, which the append-only ledger otherwise refuses.
    os.environ["PGOPTIONS"] = "-c pricing.ledger_may_be_emptied=on"
    os.environ["DJANGO_SETTINGS_MODULE"] = "pricing_site.settings"
    import django

    django.setup()


def pytest_report_header(config: pytest.Config) -> str | None:
    seconds = config.stash.get(STARTED_IN, None)
    return None if seconds is None else f"embedded Postgres, Valkey and Kafka: ready after {seconds:.1f} s"


@pytest.fixture(autouse=True)
def empty_redis(request: pytest.FixtureRequest) -> None:
    """Start every database test with empty Redis databases: rows roll back, keys do not."""
    if request.node.get_closest_marker("django_db") is None:
        return
    from redis import Redis

    for name in ("REDIS_URL", "CELERY_BROKER_URL"):
        Redis.from_url(os.environ[name]).flushdb()
