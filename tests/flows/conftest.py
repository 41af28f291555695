"""The site as its processes: a web server and a worker of their own on the test database."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

READY_SECONDS = 60
STOP_SECONDS = 20


@dataclass(frozen=True)
class Web:
    """A running web server."""

    url: str
    process: subprocess.Popen[bytes]


@pytest.fixture
def environment(transactional_db: None) -> dict[str, str]:
    """The environment of a process that works on this test's database and Redis."""
    name = str(connection.settings_dict["NAME"])
    database = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
    return {**os.environ, "DATABASE_URL": database}


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start processes from the virtual environment; they are stopped at the end of the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start_process(*command: str, **variables: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"{len(running)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start_process
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(STOP_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # children that outlived it


@pytest.fixture
def start_web(start: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., Web]:
    """Start web servers of two processes each; keywords are environment variables."""

    def start_and_wait(**variables: str) -> Web:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = start("manage", "serve", "--port", str(port), "--workers", "2", **variables)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/healthz", timeout=5):
                    return Web(f"http://localhost:{port}", process)
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the web server does not answer: see its log in the test's folder")

    return start_and_wait


@pytest.fixture
def web(start_web: Callable[..., Web]) -> Web:
    return start_web()
