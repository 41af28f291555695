import getpass
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.selectors.channels import UnknownChannel, channel_by_code
from experiments.selectors.holdouts import holdout_effect
from experiments.services.hold_out import hold_out


class Command(BaseCommand):
    help = "Hold a share of a channel's listings out of everything automatic, or say what the engine earns beside them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--share", type=float, help="a fraction: 0.05 holds 5 %% out, 0 lets all go")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            channel = channel_by_code(options["channel"])
        except UnknownChannel as error:
            raise CommandError(str(error), returncode=2) from error
        if options["share"] is not None:
            self._draw(channel, options["share"])
            return
        found = holdout_effect(channel=channel)
        if found is None:
            self.stdout.write("nothing to compare: hold a share out, and import sales of days after it")
            return
        relative = "" if found.relative is None else f" ({found.relative:+.1%})"
        self.stdout.write(
            f"{found.others:,} listings beside {found.held_out:,} held out, {found.first_day} to {found.last_day}: "
            f"{found.effect:+,.4g} {channel.currency} of profit a listing and day{relative}, "
            f"95 % interval {found.low:+,.4g} to {found.high:+,.4g}"
        )

    def _draw(self, channel: Any, share: float) -> None:
        by = f"command, {getpass.getuser()}"
        try:
            drawn = hold_out(channel=channel, share=round(share * 10_000), by=by, now=timezone.now())
        except (ValueError, OverflowError) as error:
            raise CommandError(f"--share: {error}", returncode=2) from error
        self.stdout.write(
            f"{drawn.held:,} listings are held out: {drawn.new:,} new, {drawn.let_go:,} let go, "
            f"{drawn.waiting:,} wait for the end of their experiment"
        )
