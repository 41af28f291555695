from django.db import models
from django.utils import timezone

from optimizer.models.run import OptimizationRun


class RunSchedule(models.Model):
    """When a channel is optimised by itself, every day; without a row a run is only opened by a person or a program."""

    channel = models.OneToOneField("catalog.Channel", on_delete=models.CASCADE, related_name="+")
    at = models.TimeField(
        help_text="Every day from this time on, UTC. A run that could not be opened within six hours is left out."
    )
    objective = models.CharField(
        max_length=16, choices=OptimizationRun.Objective, default=OptimizationRun.Objective.PROFIT
    )
    is_active = models.BooleanField(default=True, help_text="Off: nothing runs by itself.")
    created_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="Nothing before this is made up for."
    )

    def __str__(self) -> str:
        return f"{self.objective} of {self.channel_id} at {self.at}"
