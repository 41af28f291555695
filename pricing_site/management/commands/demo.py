from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.test import Client
from django.utils import timezone
from rich.console import Console

from catalog.models import Channel
from catalog.services.assume_facts import assume_missing_facts
from catalog.services.import_sales import import_sales
from catalog.services.served_records import warm_served_records
from optimizer.management.commands.build_report import write_whole
from optimizer.management.commands.optimize_prices import finish_run
from optimizer.models import ElasticityFit, OptimizationRun
from optimizer.report.summary import summary_table
from optimizer.services.open_run import open_run
from pricing_site.demo.credentials import demo_credentials
from pricing_site.demo.shop import TRANSACTIONS, demo_channel
from pricing_site.demo.storefront import ask_storefront

Result = TypeVar("Result")


class Command(BaseCommand):
    help = "Run the main job on real data: import, learn, optimise, publish, serve, report. Every step is done once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--learn", type=float, default=60, metavar="SECONDS", help="of the bandit at work, at the end; 0: none"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = Console()
        started = monotonic()
        channel = demo_channel()
        credentials = demo_credentials(settings.DEMO_HOME)
        outcome = self._step(
            "import sales",
            lambda: import_sales(
                path=TRANSACTIONS,
                channel=channel,
                rejects_path=settings.DEMO_HOME / "rejected_rows.csv",
                now=timezone.now(),
            ),
        )
        done = outcome.sales_import
        self._say(f"{done.rows_kept:,} of {done.rows_read:,} rows kept, {done.products:,} products, {done.weeks} weeks")
        self._step("assume costs and stock", lambda: assume_missing_facts(channel=channel, now=timezone.now()))
        self._say("costs, stock, competitor prices and categories are made up: see catalog/assumptions.py")
        fit = self._step("learn elasticities", lambda: self._fit(channel))
        run = self._step("optimise and publish", lambda: self._run(channel, fit))
        if run.status != OptimizationRun.Status.SUCCEEDED:
            raise CommandError(f"the run ended as {run.status}: {run.error}")
        warmed = self._step("warm the cache", lambda: warm_served_records(channel=channel.code))
        self._say(f"{warmed:,} served records in Redis")
        report = settings.DEMO_HOME / "report.html"
        self._step("report", lambda: write_whole(report, self._render(run)))
        self.console.print(summary_table(run))
        ask_storefront(self.console, Client(SERVER_NAME="localhost"), credentials.api_key, run)
        took = monotonic() - started
        if options["learn"] > 0 and settings.KAFKA_BOOTSTRAP_SERVERS:
            self._learn(channel, options["learn"])
        self.console.print(f"\nReport: {report}", soft_wrap=True)
        self.console.print(f"The job took {took:.1f} s. `make run` keeps it all running.")

    def _step(self, name: str, work: Callable[[], Result]) -> Result:
        began = monotonic()
        with self.console.status(name):
            result = work()
        self.console.print(f"[bold]{name}[/bold]: {monotonic() - began:.1f} s")
        return result

    def _say(self, text: str) -> None:
        self.console.print(f"  {text}", style="dim", soft_wrap=True)

    def _learn(self, channel: Channel, seconds: float) -> None:
        # Imported here: the job itself needs no Kafka.
        from pricing_site.demo.learning import show_learning

        self.console.print(f"[bold]learn online[/bold]: {seconds:.0f} s of made-up shoppers")
        show_learning(self.console, channel, seconds)

    def _fit(self, channel: Channel) -> ElasticityFit:
        from optimizer.services.train_model import train_model

        fit, _ = train_model(channel=channel, now=timezone.now())
        self._say(
            f"{fit.diagnostics['informed']:,} of {fit.diagnostics['listings']:,} SKUs learned from sales; "
            "the others keep the prior"
        )
        return fit

    def _run(self, channel: Channel, fit: ElasticityFit) -> OptimizationRun:
        return finish_run(
            open_run(channel=channel, objective="profit", fit=fit, key=f"demo:{fit.fingerprint}", now=timezone.now())
        )

    def _render(self, run: OptimizationRun) -> str:
        from optimizer.report.page import render_report

        return render_report(run=run)
