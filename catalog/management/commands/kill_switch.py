import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.models import Category, KillSwitch
from catalog.selectors.channels import UnknownChannel, channel_by_code
from catalog.selectors.kill_switches import kill_switches
from catalog.services.kill_switches import CannotFlip, flip_kill_switch, lift_kill_switch


class Command(BaseCommand):
    help = "Stop automatic prices at once (on), let them pass again (off), or show what is stopped (status)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["on", "off", "status"])
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument("--channel", help="only in this channel")
        scope.add_argument("--category", help="only in this category (its code)")
        scope.add_argument(
            "--model", help="only prices of optimizer, bandit, experiment, a fit or an experiment's code"
        )
        parser.add_argument("--reason", default="", help="why; needed for on")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"] == "status":
            self._status()
            return
        scope = _scope(options)
        through = f"command, {getpass.getuser()}"
        if options["what"] == "on":
            self._flip(scope, options["reason"], through)
        else:
            self._lift(scope, options["reason"], through)

    def _status(self) -> None:
        for switch in kill_switches(on=True):
            who = switch.flipped_by.get_username() if switch.flipped_by else switch.flipped_through
            since = f"{switch.flipped_at:%Y-%m-%d %H:%M %Z}"
            self.stdout.write(f"{switch.scope} is stopped since {since} by {who}: {switch.reason}")
        if not kill_switches(on=True).exists():
            self.stdout.write("nothing is stopped")

    def _flip(self, scope: dict[str, Any], reason: str, through: str) -> None:
        try:
            KillSwitch(**scope, reason=reason).clean_fields(exclude={"reason", "flipped_at", "flipped_through"})
            switch, is_new = flip_kill_switch(**scope, reason=reason, through=through, now=timezone.now())
        except CannotFlip as error:
            raise CommandError(f"--{error.field}: {error}", returncode=2) from error
        except ValidationError as error:
            raise CommandError("; ".join(error.messages), returncode=2) from error
        self.stdout.write(
            f"{switch.scope}: nothing automatic is published" + ("" if is_new else " (it was on already)")
        )

    def _lift(self, scope: dict[str, Any], reason: str, through: str) -> None:
        wanted = {"channel": None, "category": None, "model": ""} | scope
        on = kill_switches(on=True)
        switch = next((row for row in on if {name: getattr(row, name) for name in wanted} == wanted), None)
        if switch is None:
            raise CommandError("no such switch is on: see `manage.py kill_switch status`", returncode=2)
        lift_kill_switch(switch_id=switch.pk, reason=reason, through=through, now=timezone.now())
        self.stdout.write(f"{switch.scope}: automatic prices pass again")


def _scope(options: dict[str, Any]) -> dict[str, Any]:
    if options["channel"]:
        try:
            return {"channel": channel_by_code(options["channel"])}
        except UnknownChannel as error:
            raise CommandError(str(error), returncode=2) from error
    if options["category"]:
        category = Category.objects.filter(code=options["category"]).first()
        if category is None:
            raise CommandError(f"no category {options['category']!r}: give the code of one", returncode=2)
        return {"category": category}
    return {"model": options["model"]} if options["model"] else {}
