from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.arguments import a_user
from catalog.selectors.rollbacks import rolled_back_prices
from catalog.services.roll_back import CannotRollBack, roll_back_run

SHOWN_AT_MOST = 20


class Command(BaseCommand):
    help = "Give the prices that a run changed their prior price back, where they are still in force. Repeatable."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run_id", type=UUID, help="the run, as its page or the API names it")
        parser.add_argument("--reason", required=True, help="why, for the ledger")
        parser.add_argument("--author", type=a_user, help="user name of the person who decided it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rollback = roll_back_run(
                run_id=options["run_id"],
                author=options["author"],
                reason=options["reason"],
                now=timezone.now(),
            )
        except CannotRollBack as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(
            f"{rollback}: {rollback.restored:,} prices restored, {rollback.changed_since:,} changed since and left, "
            f"{rollback.refused:,} refused"
        )
        for row in rolled_back_prices(rollback=rollback, outcome="refused")[:SHOWN_AT_MOST]:
            self.stdout.write(f"refused: {row.listing.product.sku} at {row.prior_price.normalize():f}: {row.reason}")
        if rollback.refused > SHOWN_AT_MOST:
            self.stdout.write(f"… and {rollback.refused - SHOWN_AT_MOST:,} more: see the run's page")
