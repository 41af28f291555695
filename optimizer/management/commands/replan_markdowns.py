from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from optimizer.services.replan_markdowns import replan_markdowns


class Command(BaseCommand):
    help = "Publish the prices of the markdown plans that are due, as the beat does every hour. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        counts = replan_markdowns(now=timezone.now())
        self.stdout.write(", ".join(f"{name}: {count}" for name, count in sorted(counts.items())) or "nothing was due")
