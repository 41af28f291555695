from typing import Any

from django.core.management.base import BaseCommand

from catalog.schedule_runner import ScheduleRunner


class Command(BaseCommand):
    help = "Start and end overrides and promotions on time, until SIGINT or SIGTERM. Several at once are harmless."
    requires_system_checks: list[str] = []  # the database need not be there yet

    def handle(self, *args: Any, **options: Any) -> None:
        runner = ScheduleRunner()
        runner.stop_by_signals()
        runner.run()
