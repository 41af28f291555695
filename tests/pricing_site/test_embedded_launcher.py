import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pricing_site.embedded.guard import descendants

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = [sys.executable, "-m", "pricing_site.embedded"]

COUNT_INTERRUPTS = """
import signal, time
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
print("ready", flush=True)
while not seen:
    time.sleep(0.02)
time.sleep(0.3)
raise SystemExit(40 + len(seen))
"""


def test_exec_gives_the_command_the_servers_and_returns_its_code(tmp_path):
    code = "import os, sys; print(os.environ['DATABASE_URL'], *sys.argv[1:]); sys.exit(7)"
    done = subprocess.run(
        [*LAUNCHER, "exec", "--home", tmp_path, "--", "python", "-c", code, "--option", "--"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7
    assert done.stdout.startswith("postgres://pricing:")
    assert done.stdout.endswith("/pricing --option --\n")


def test_exec_says_what_it_cannot_run():
    command = [*LAUNCHER, "exec", "--ephemeral", "--", "no-such-program"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("no-such-program: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_interrupt_reaches_the_command_and_its_code_comes_back(tmp_path):
    with launched(tmp_path, "python", "-c", COUNT_INTERRUPTS) as front:
        front.send_signal(signal.SIGINT)
        assert front.wait(20) == 41


def test_ctrl_c_on_a_terminal_reaches_the_command_once(tmp_path):
    keyboard, terminal = pty.openpty()
    command = ["setsid", "--ctty", "--wait", *LAUNCHER, "exec", "--home", tmp_path, "--"]
    front = subprocess.Popen(
        [*command, "python", "-c", COUNT_INTERRUPTS], cwd=ROOT, stdin=terminal, stdout=subprocess.PIPE
    )
    with front:
        os.close(terminal)
        assert front.stdout.readline() == b"ready\n"
        os.write(keyboard, b"\x03")
        assert front.wait(20) == 41
    os.close(keyboard)


def test_two_launchers_on_one_home_give_one_line(tmp_path):
    with launched(tmp_path, "sh", "-c", "echo ready; sleep 1000"):
        second = subprocess.run(
            [*LAUNCHER, "exec", "--home", tmp_path, "--", "true"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert second.returncode == 2
    assert len(second.stderr.splitlines()) == 1
    assert "--home" in second.stderr


@pytest.mark.parametrize("victim", ["front", "worker"])
def test_kill_of_a_launcher_leaves_no_process(tmp_path, victim):
    with launched(tmp_path, "sh", "-c", "sleep 1000 & setsid sleep 1000 & sleep 0.2; echo ready; sleep 1000") as front:
        everybody = [front.pid, *descendants(front.pid)]
        # two launchers, two Valkeys, Kafka, Postgres with its workers, the shell and its sleeps
        assert len(everybody) >= 10
        os.kill(front.pid if victim == "front" else everybody[1], signal.SIGKILL)
        assert front.wait(20) in {-signal.SIGKILL, 128 + signal.SIGKILL}
        assert wait_until_dead(everybody) == []
    again = subprocess.run([*LAUNCHER, "exec", "--home", tmp_path, "--", "true"], cwd=ROOT, check=False)
    assert again.returncode == 0


def test_an_app_that_ends_stops_the_others_and_is_named(tmp_path):
    done = run_procfile(tmp_path, "steady: sleep 1000\nfragile: sh -c 'sleep 0.3; exit 3'\n")
    output, _ = done.communicate(timeout=20)
    assert done.returncode == 3
    assert "fragile ended by itself with code 3" in output


def test_apps_that_are_told_to_stop_end_well(tmp_path):
    apps, started = running_apps(tmp_path)
    apps.send_signal(signal.SIGTERM)
    apps.communicate(timeout=20)
    assert apps.returncode == 0
    assert wait_until_dead(started) == []


def test_kill_of_both_halves_of_the_launcher_takes_the_apps_along(tmp_path):
    apps, started = running_apps(tmp_path)
    os.kill(started[0], signal.SIGKILL)
    apps.kill()
    apps.communicate(timeout=20)
    assert wait_until_dead(started) == []


@contextlib.contextmanager
def launched(home, *command):
    """``exec`` of a command that prints "ready"; killed at the end, if it has not ended."""
    front = subprocess.Popen([*LAUNCHER, "exec", "--home", home, "--", *command], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert front.stdout.readline() == b"ready\n"
        yield front
    finally:
        front.kill()
        front.wait()
        front.stdout.close()


def running_apps(folder):
    """Return the launcher of two apps and all the processes below it."""
    apps = run_procfile(folder, "one: sh -c 'sleep 0.3; echo ready; exec sleep 1000'\ntwo: sleep 1000\n")
    while "| ready" not in apps.stdout.readline():
        pass
    return apps, descendants(apps.pid)


def run_procfile(folder, lines):
    procfile = folder / "Procfile"
    procfile.write_text(lines)
    code = (
        "import os, sys; from pathlib import Path; from pricing_site.embedded import apps, guard\n"
        "run = lambda: apps.run_apps(Path(sys.argv[1]), dict(os.environ), port=1, on_web_ready='')\n"
        "sys.exit(guard.run_guarded(run))"
    )
    return subprocess.Popen([sys.executable, "-c", code, procfile], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def wait_until_dead(pids):
    """Return those of the processes that are still alive after ten seconds; zombies are dead."""
    deadline = time.monotonic() + 30
    while (living := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return living


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
