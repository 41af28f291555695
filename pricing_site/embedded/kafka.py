"""A broker that speaks Kafka's protocol without Java: librdkafka's mock cluster, in a process of its own.

Enough for development, the demo and most tests. Its limits, none of which Apache Kafka has:

- it keeps everything in memory: a restart forgets all topics and offsets;
- each partition keeps only its newest 100,000 messages or 5 MB; a consumer that lags further misses the rest;
- topics come into being when first used; there is no admin API;
- an empty fetch is answered only after its full wait: keep ``fetch_max_wait_ms`` low;
- transactions and ``read_committed`` do not work as in Kafka;
- kafka-python must be told ``api_version=(2, 0)``: hence ``KAFKA_API_VERSION``.
"""

import re
import signal
import sys
from pathlib import Path

from pricing_site.embedded import mock_broker
from pricing_site.embedded.child import Child

API_VERSION = "2,0"
ADDRESS = re.compile(r"^[\w.]+:\d+$", re.MULTILINE)


class MockKafka:
    """The mock cluster; ``address`` is known once it is ready and changes with every start."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.address = ""
        self.child: Child | None = None

    def spawn(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        # -P: the script's folder must not become importable, it holds modules named like libraries (kafka, valkey).
        command = [sys.executable, "-P", mock_broker.__file__]
        self.child = Child("Kafka mock", command, log=self.home / "broker.log", on_parent_death=signal.SIGKILL)

    def wait_ready(self) -> None:
        if self.child is None:
            raise RuntimeError("spawn() comes first")
        self.child.wait_until(self._has_printed_its_address)

    def stop(self) -> None:
        if self.child:
            self.child.stop(signal.SIGTERM, patience_seconds=5)

    def _has_printed_its_address(self) -> bool:
        found = ADDRESS.search((self.home / "broker.log").read_text())
        self.address = found[0] if found else ""
        return bool(found)
