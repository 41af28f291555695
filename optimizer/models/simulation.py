from django.conf import settings
from django.db import models

from optimizer.models.run import OptimizationRun


class Simulation(models.Model):
    """A run under assumptions that publishes nothing until it is promoted, and the state that it was computed on."""

    run = models.OneToOneField(OptimizationRun, on_delete=models.CASCADE, related_name="simulation")
    name = models.CharField(max_length=120)
    assumptions = models.JSONField(default=dict, help_text="What was supposed: limits, costs, which products.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    fingerprint = models.CharField(
        max_length=64, blank=True, help_text="Hash of what prices, costs, policies and competitors it was computed on."
    )
    effect = models.JSONField(default=dict, help_text="Binding rules counted, revenue interval, sizes of change.")
    promoted_at = models.DateTimeField(null=True)
    promoted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """One of computing, computed, promoted and failed."""
        if self.promoted_at is not None:
            return "promoted"
        if not self.run.is_finished:
            return "computing"
        return "failed" if self.run.status == OptimizationRun.Status.FAILED else "computed"
