"""All servers together: started in parallel, ready when the ``with`` block begins, stopped in reverse when it ends."""

import contextlib
import sys
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pricing_site.embedded import kafka, valkey
from pricing_site.embedded.errors import EmbeddedServerError, PortTakenError
from pricing_site.embedded.home import lock_home, secret_kept_in
from pricing_site.embedded.postgres import Postgres

PORT_ATTEMPTS = 5


class Server(Protocol):
    def spawn(self) -> None: ...
    def wait_ready(self) -> None: ...
    def stop(self) -> None: ...


class EmbeddedServers:
    """Postgres, two Valkeys and a Kafka mock whose files are in ``home``.

    Use it as a context manager, from the main thread: the servers die with the thread that starts them. ``durable``
    keeps committed rows and queued tasks through crashes; without it everything is faster and for one run only.
    Entering raises HomeInUseError if another launcher has the folder, EmbeddedServerError with the end of the log if a
    server does not start.
    """

    def __init__(self, home: Path, durable: bool) -> None:
        self.home = home.resolve()
        self.postgres = Postgres(self.home / "postgres", durable=durable)
        self.cache = valkey.cache(self.home / "cache")
        self.broker = valkey.broker(self.home / "broker", durable=durable)
        self.kafka = kafka.MockKafka(self.home / "kafka")
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if sys.platform != "linux":
            raise EmbeddedServerError("The embedded servers need Linux: elsewhere use `docker compose up`.")
        with contextlib.ExitStack() as cleanup:
            cleanup.enter_context(lock_home(self.home))
            # Postgres last: making its cluster blocks, and the others start meanwhile.
            servers: list[Server] = [self.kafka, self.cache, self.broker, self.postgres]
            for server in servers:
                cleanup.callback(server.stop)
                server.spawn()
            for server in servers:
                wait_ready(server)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which the site finds these servers."""
        return {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.cache.url,
            "CELERY_BROKER_URL": self.broker.url,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.address,
            "KAFKA_API_VERSION": kafka.API_VERSION,
            "SECRET_KEY": secret_kept_in(self.home / "secret_key"),
            "DEBUG": "1",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "DEMO_HOME": str(self.home),
        }


def wait_ready(server: Server) -> None:
    """Wait for a server, and start it again on another port when its port was snatched away."""
    for _ in range(PORT_ATTEMPTS - 1):
        try:
            return server.wait_ready()
        except PortTakenError:
            server.spawn()
    return server.wait_ready()
