import os
import shutil
import signal
import sys
import tempfile
from typing import Any

import uvicorn
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Serve the site: prices straight from memory, everything else through Django. Until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=2, help="processes; one a core is a good start")

    def handle(self, *args: Any, host: str, port: int, workers: int, **options: Any) -> None:
        if workers < 1 or not 0 < port < 65_536:
            raise CommandError("--workers must be 1 or more and --port 1 to 65535", returncode=2)
        # Each process counts in a file of its own, and whichever is asked for /metrics adds them up.
        counts = tempfile.mkdtemp(prefix="pricing-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts
        # With one process uvicorn raises the signal again once it has shut down: that is a good end.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            uvicorn.run(
                "pricing_site.asgi:application",
                host=host,
                port=port,
                workers=workers,
                loop="uvloop",
                http="pricing_site.asgi:GatewayProtocol",  # there Django is set up first
                ws="none",
                lifespan="on",
                interface="asgi3",
                proxy_headers=False,  # Django reads them, where settings say so
                server_header=False,
                access_log=False,
                log_level="warning",
                backlog=4_096,
                timeout_graceful_shutdown=10,
            )
        finally:
            shutil.rmtree(counts, ignore_errors=True)
