"""Run the ``Procfile``'s processes side by side, their output prefixed and coloured, until one ends or we are told."""

import multiprocessing
import os
import shlex
import signal
import sys
import threading
import time
from pathlib import Path

import honcho.environ
import honcho.manager

from pricing_site.embedded.ports import answers
from pricing_site.embedded.tether import SAME_USER, signal_on_parent_death
from pricing_site.embedded.tether import __file__ as tether_script

# For a worker to finish the task it has, and for the web to answer its last requests.
PATIENCE_SECONDS = 10


class Apps(honcho.manager.Manager):  # type: ignore[misc]  # honcho is not typed
    """Honcho's manager, which also knows who ended first and kills whoever outstays the patience."""

    def __init__(self) -> None:
        super().__init__()
        self.ended_first: str | None = None
        self.told_to_stop = False

    def terminate(self) -> None:
        """Ask all processes to end; called by a signal, or because one process has ended by itself."""
        if not self._all_started():  # honcho cannot stop what it has not yet heard of
            threading.Timer(0.1, self.terminate).start()
            return
        if not self._terminating:
            ended = [name for name, process in self._processes.items() if "returncode" in process]
            self.ended_first, self.told_to_stop = (ended[0] if ended else None), not ended
            killer = threading.Timer(PATIENCE_SECONDS, self.kill)
            killer.daemon = True
            killer.start()
        super().terminate()

    def say(self, line: str) -> None:
        self._system_print(f"{line}\n")


def run_apps(procfile: Path, environment: dict[str, str], *, port: int, on_web_ready: str) -> int:
    """Block until all processes have ended. Return 0 if we were told to stop, else the first ended one's code or 1."""
    # Honcho forks; the default of newer Pythons would start a server process that outlives the fork's descriptors.
    multiprocessing.set_start_method("fork", force=True)
    launcher = os.getpid()
    # Honcho's own processes must not outlive us either, should both halves of the launcher be killed at once.
    os.register_at_fork(after_in_child=lambda: signal_on_parent_death(signal.SIGKILL, parent=launcher))
    honcho.manager.KILL_WAIT = PATIENCE_SECONDS
    apps = Apps()
    for name, command in honcho.environ.parse_procfile(procfile.read_text()).processes.items():
        apps.add_process(name, tethered_line(command), env=environment, cwd=str(procfile.parent))
    threading.Thread(target=announce, args=(apps, port, on_web_ready), daemon=True).start()
    apps.loop()
    if apps.told_to_stop:
        return 0
    apps.say(
        f"{apps.ended_first} ended by itself with code {apps.returncode}, so all were stopped: see its lines above."
    )
    return 128 - apps.returncode if apps.returncode < 0 else apps.returncode or 1


def tethered_line(command: str) -> str:
    """Return the shell line that becomes ``command``, tethered to honcho's process above that shell."""
    tether = shlex.join([sys.executable, "-I", "-S", tether_script])
    return f"exec {tether} $PPID {int(signal.SIGTERM)} {SAME_USER} {command}"


def announce(apps: Apps, port: int, line: str) -> None:
    """Say the line again once the web answers: by then the first one has scrolled away."""
    while not answers(port):
        time.sleep(0.2)
    apps.say(line)
