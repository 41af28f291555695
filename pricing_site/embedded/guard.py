"""Leave no process behind, however the launcher ends.

The launcher is two processes. The first one, which the user sees, only passes signals on; the second one does the work.
Both adopt orphans, so that whatever is started below them stays their descendant. Whichever of the two is killed, the
other kills all that is left.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pricing_site.embedded.tether import adopt_orphans, signal_on_parent_death

PASSED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
WATCHED = PASSED_ON | {signal.SIGCHLD}
# Linux's si_code for a signal from the terminal driver, which has sent it to the whole foreground group already.
SI_KERNEL = 0x80


def run_guarded(work: Callable[[], int]) -> int:
    """Run ``work`` in a child process and return its exit code, with no descendant left alive.

    SIGTERM and SIGHUP raise SystemExit inside ``work`` unless it handles them otherwise; SIGINT, KeyboardInterrupt.
    """
    adopt_orphans()
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    sys.stdout.flush()
    front = os.getpid()
    worker = os.fork()
    if worker == 0:
        do_work(work, front)
    code = pass_signals_until_exit(worker)
    kill_descendants()
    return code


def do_work(work: Callable[[], int], front: int) -> NoReturn:
    adopt_orphans()
    signal.signal(signal.SIGUSR1, abandon)
    signal_on_parent_death(signal.SIGUSR1, parent=front)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
    code = 1
    try:
        code = work()
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    finally:
        kill_descendants()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def abandon(number: int, frame: object) -> NoReturn:
    """The front process was killed: so is everything else. The servers recover at their next start."""
    kill_descendants()
    os._exit(128 + signal.SIGKILL)


def pass_signals_until_exit(pid: int) -> int:
    """Wait for a child and pass on the signals that only we received; return its exit code as a shell would."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            received = signal.sigwaitinfo(WATCHED)
            if received.si_signo in PASSED_ON and received.si_code != SI_KERNEL:
                os.kill(pid, received.si_signo)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def kill_descendants() -> None:
    """Kill and bury until nothing is left; repeated because a dying process may have just started another."""
    while pids := descendants(os.getpid()):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def descendants(root: int) -> list[int]:
    """Return all processes below ``root``, dead ones that were not waited for included."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := parent_of(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found = list(children.get(root, []))
    for pid in found:  # grows while it is walked
        found += children.get(pid, [])
    return found


def parent_of(process: Path) -> int | None:
    try:
        # The name in parentheses may hold spaces and parentheses of its own.
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
