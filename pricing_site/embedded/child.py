"""A server as a child process: started, watched until it is ready, stopped, and never left behind."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from pricing_site.embedded.errors import EmbeddedServerError, PortTakenError
from pricing_site.embedded.tether import SAME_USER, tethered

START_SECONDS = 60.0
TAIL_LINES = 15


class Child:
    """One running server process with its log.

    It has a session of its own: Ctrl+C in the terminal reaches the launcher, which stops servers last.
    """

    def __init__(
        self, name: str, command: list[str], *, log: Path, on_parent_death: signal.Signals, user: str = SAME_USER
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                tethered(command, on_parent_death=on_parent_death, user=user),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Block until ``ready()``. Raises with the log's last lines if the process dies or takes over a minute."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            # First a pause: a process that finds its port taken is dead by then, and we do not ask the port's owner.
            time.sleep(0.05)
            if self.process.poll() is not None:
                raise self._failure(f"ended with code {self.process.returncode} while starting")
            if ready():
                return
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready after {START_SECONDS:.0f} s")

    def stop(self, number: signal.Signals, *, patience_seconds: float) -> None:
        """Ask the process to end; kill it when it has not ended in time."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _failure(self, what: str) -> EmbeddedServerError:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        kind = PortTakenError if any("Address already in use" in line for line in lines) else EmbeddedServerError
        return kind("\n    ".join([f"{self.name} {what}. The end of {self.log}:", *lines]))
