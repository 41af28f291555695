from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Column, Table

from catalog.arguments import a_moment
from catalog.selectors.channels import UnknownChannel, channel_by_code
from experiments.selectors.policy_values import PolicyValue, policy_values
from experiments.stats.off_policy import Estimate
from experiments.stats.target_policies import POLICIES


class Command(BaseCommand):
    help = "Estimate what other policies would have earned, from the bandit's logged decisions of a period."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL)
        parser.add_argument("--policy", action="append", choices=list(POLICIES), help="may be repeated; else all")
        parser.add_argument("--since", type=a_moment, help="a week before --until by default")
        parser.add_argument("--until", type=a_moment, help="now by default")

    def handle(self, *args: Any, **options: Any) -> None:
        until = options["until"] or timezone.now()
        since = options["since"] or until - timedelta(weeks=1)
        if since >= until:
            raise CommandError("--since is not before --until: give an earlier one", returncode=2)
        try:
            channel = channel_by_code(options["channel"])
        except UnknownChannel as error:
            raise CommandError(str(error), returncode=2) from error
        values = policy_values(
            channel=channel.code, since=since, until=until, policies=options["policy"] or list(POLICIES)
        )
        if not any(value.result for value in values):
            raise CommandError(f"no settled decisions from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}")
        Console().print(_table(values, channel.currency))


def _table(values: list[PolicyValue], currency: str) -> Table:
    table = Table(
        Column("policy", no_wrap=True), "doubly robust", "self-normalised", "IPS", "effective", "largest weight", ""
    )
    table.title = f"{currency} a decision, with 95 % intervals"
    for value in values:
        if value.result is None:
            table.add_row(value.policy, "", "", "", "", "", value.problem)
            continue
        found = value.result
        table.add_row(
            value.policy,
            *(_interval(each) for each in (found.doubly_robust, found.snips, found.ips)),
            f"{found.effective_decisions:,.0f} of {found.decisions:,}",
            f"{found.largest_weight:,.1f}",
            "" if found.has_overlap else "too few like it were drawn: do not rely on it",
        )
    return table


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:,.4f} ({estimate.low:,.4f} to {estimate.high:,.4f})"
