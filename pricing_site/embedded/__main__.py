"""Start the embedded servers and something that needs them.

python -m pricing_site.embedded exec [--home DIR | --ephemeral] -- COMMAND ...
python -m pricing_site.embedded run [--home DIR] [--port 8000]
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from pricing_site.embedded.errors import EmbeddedServerError, HomeInUseError
from pricing_site.embedded.guard import pass_signals_until_exit, run_guarded
from pricing_site.embedded.ports import is_free
from pricing_site.embedded.servers import EmbeddedServers
from pricing_site.embedded.tether import tethered

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    options = parse(sys.argv[1:])
    return run_guarded(lambda: start(options))


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pricing_site.embedded", description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    home = argparse.ArgumentParser(add_help=False)
    home.add_argument("--home", type=Path, default=ROOT / "var" / "demo", help="where the servers keep their files")

    execute = verbs.add_parser("exec", parents=[home], help="run one command with the servers' environment")
    execute.add_argument("--ephemeral", action="store_true", help="fast throw-away servers in a temporary folder")
    execute.add_argument("command", nargs="+", metavar="COMMAND", help="after a --")

    run = verbs.add_parser("run", parents=[home], help="run the whole site: servers and the Procfile's processes")
    run.add_argument("--port", type=int, default=8000, help="of the web process")
    return parser.parse_args(arguments)


def start(options: argparse.Namespace) -> int:
    try:
        return run_site(options.home, options.port) if options.verb == "run" else run_command(options)
    except EmbeddedServerError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def run_command(options: argparse.Namespace) -> int:
    if not options.ephemeral:
        with EmbeddedServers(options.home, durable=True) as servers:
            return run_in_foreground(options.command, environment_with(servers))
    with tempfile.TemporaryDirectory(prefix="pricing-") as home, EmbeddedServers(Path(home), durable=False) as servers:
        return run_in_foreground(options.command, environment_with(servers))


def run_site(home: Path, port: int) -> int:
    from pricing_site.embedded.apps import run_apps

    if not is_free(port):
        raise HomeInUseError(f"Port {port} is in use: choose another with --port, or `make run PORT=8001`.")
    manage = [sys.executable, str(ROOT / "manage.py")]
    with EmbeddedServers(home, durable=True) as servers:
        environment = environment_with(servers) | {"PORT": str(port), "PYTHONUNBUFFERED": "1"}
        for command in (["migrate", "--noinput", "--verbosity=0"], ["set_up_roles"], ["demo_credentials"]):
            if code := run_in_foreground([*manage, *command], environment):
                print(f"`manage.py {command[0]}` failed: the lines above say why.", file=sys.stderr)
                return code
        where = f"Open http://localhost:{port}/admin/ and log in as shown above. Ctrl+C stops everything."
        print_bold(where)
        return run_apps(ROOT / "Procfile", environment, port=port, on_web_ready=where)


def environment_with(servers: EmbeddedServers) -> dict[str, str]:
    """Our own environment, the servers', and this Python's programs first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **servers.environment(), "PATH": path}


def run_in_foreground(command: list[str], environment: dict[str, str]) -> int:
    """Run a command on our terminal, pass signals on to it, and return its exit code."""
    process = subprocess.Popen(tethered(command, on_parent_death=signal.SIGKILL), env=environment)
    process.returncode = pass_signals_until_exit(process.pid)
    return process.returncode


def print_bold(line: str) -> None:
    from rich.console import Console

    Console(soft_wrap=True).print(line, style="bold")


if __name__ == "__main__":
    sys.exit(main())
