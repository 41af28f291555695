"""The deployment files name only what exists: no test runs them, so this is what keeps them from rotting."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from celery.bin.celery import celery as celery_cli
from django.conf import settings
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
COMMANDS = {
    "docker-compose.yml": [service["command"] for service in OURS.values() if "command" in service],
    "Dockerfile": [(ROOT / "Dockerfile").read_text()],
    "Procfile": (ROOT / "Procfile").read_text().splitlines(),
    "Makefile": [(ROOT / "Makefile").read_text()],
}


def test_compose_file_is_valid():
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", COMMANDS)
def test_management_commands_exist(file):
    named = set(re.findall(r"manage\.py (\w+)", "\n".join(COMMANDS[file])))
    assert named <= set(get_commands())


@pytest.mark.parametrize("file", ["docker-compose.yml", "Procfile"])
def test_celery_commands_exist_and_its_queues_have_workers(file):
    lines = [line for line in COMMANDS[file] if "celery -A" in line]
    for line in lines:
        application, command = re.search(r"celery -A (\w+) (\w+)", line).groups()
        assert importlib.import_module(f"{application}.celery").app
        assert command in celery_cli.commands
    worked_on = set(re.findall(r"\w+", " ".join(re.findall(r"--queues (\S+)", " ".join(lines)))))
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} | {settings.CELERY_TASK_DEFAULT_QUEUE}
    assert routed <= worked_on


def test_our_services_set_only_variables_that_we_read():
    documented = re.findall(r"^\| `(\w+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    read = re.findall(r'env(?:\.\w+)?\(\s*"(\w+)"', (ROOT / "pricing_site/settings.py").read_text())
    named = {name for service in OURS.values() for name in service["environment"]}
    assert named <= {*documented, *read}


def test_every_variable_that_compose_asks_for_is_explained_at_its_top():
    explained = re.findall(r"^# ([A-Z_]+) {2,}", COMPOSE, re.MULTILINE)
    assert set(re.findall(r"\$\{(\w+)", COMPOSE)) == set(explained)


def test_compose_has_no_default_secrets():
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD"):
        uses = re.findall(rf"\$\{{{name}\b([^}}]*)", COMPOSE)
        assert uses
        assert all(use.startswith(":?") for use in uses)
