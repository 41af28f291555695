import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from catalog.selectors.channels import UnknownChannel, channel_by_code
from experiments.selectors.bandit_status import BanditStatus, ContextStatus, bandit_status


class Command(BaseCommand):
    help = "Show contexts, arms, what is believed of them, and how much traffic goes to the best, until Ctrl+C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL)
        parser.add_argument("--last", type=int, default=1_000, help="of so many decisions")
        parser.add_argument("--contexts", type=int, default=5, help="show the busiest so many")
        parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS")
        parser.add_argument("--once", action="store_true", help="show it once and end")

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("last", "contexts", "every"):
            if options[name] <= 0:
                raise CommandError(f"--{name} is {options[name]}: give a number above 0", returncode=2)
        try:
            channel = channel_by_code(options["channel"]).code
        except UnknownChannel as error:
            raise CommandError(str(error), returncode=2) from error

        def picture() -> Group:
            return shown(bandit_status(channel=channel, last=options["last"]), options["contexts"])

        if options["once"]:
            Console().print(picture())
            return
        try:
            with Live(picture(), auto_refresh=False) as live:
                while True:
                    time.sleep(options["every"])
                    live.update(picture(), refresh=True)
        except KeyboardInterrupt:
            pass


def shown(status: BanditStatus, contexts: int) -> Group:
    if not status.decisions:
        return Group(Text("No decisions yet: start run_bandit, and produce_demand to try it."))
    table = Table(
        Column("context", no_wrap=True), Column("price", justify="right", no_wrap=True), *_numbers(), box=SIMPLE
    )
    for each in status.contexts[:contexts]:
        _add(table, each)
    more = len(status.contexts) - contexts
    hidden = f", of which {more:,} are not shown" if more > 0 else ""
    words = (
        f"{timezone.localtime():%H:%M:%S}  {status.best_share:.0%} of the last {status.decisions:,} decisions "
        f"at the arm thought best, in {len(status.contexts):,} contexts{hidden}"
    )
    return Group(Text(words), table)


def _numbers() -> list[Column]:
    names = ("bought", "left", "buys", "90 %", "reward", "recent")
    return [Column(name, justify="right", no_wrap=True) for name in names]


def _add(table: Table, status: ContextStatus) -> None:
    context = status.context
    name = f"{context.listing.product.sku} {context.location} {context.intensity}"
    for arm in status.arms:
        share = arm.recent / status.recent if status.recent else 0.0
        table.add_row(
            name,
            f"{arm.price:.2f}",
            f"{arm.purchases:,}",
            f"{arm.rejections:,}",
            f"{arm.mean:.1%}",
            f"{arm.low:.0%}–{arm.high:.0%}",
            f"{arm.reward:.3f}",
            f"{share:.0%}",
            style="bold green" if arm is status.best else "",
        )
        name = ""
    table.add_section()
