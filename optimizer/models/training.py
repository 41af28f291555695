from django.conf import settings
from django.db import models


class TrainingJob(models.Model):
    """What somebody asked to be learned of a channel's demand, how far a worker has come, and what it found."""

    class Kind(models.TextChoices):
        FIT = "fit", "elasticities of all listings"
        CAUSAL = "causal", "the channel's elasticity as a cause"
        CROSS = "cross", "elasticities in the prices of a category's other products"
        POLICY = "policy", "prices over a horizon, by a deep Q-network"
        FORECAST = "forecast", "a forecaster of demand"

    class Status(models.TextChoices):
        WAITING = "waiting", "waiting for a worker"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    channel = models.ForeignKey("catalog.Channel", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    asked = models.JSONField(
        default=dict, help_text="Method and prior of a fit, instruments of a causal estimate, step and seed …"
    )
    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    step = models.CharField(max_length=64, blank=True, help_text="What a worker is at.")
    steps_done = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Times that a worker began.")
    fit = models.ForeignKey(
        "optimizer.ElasticityFit", null=True, on_delete=models.PROTECT, related_name="+", help_text="What was learned."
    )
    result = models.JSONField(
        default=dict, help_text="Causal estimates; how many pairs; of a model, why it is not live."
    )
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["channel", "kind", "-created_at"], name="training_newest"),
            models.Index(fields=["created_at"], condition=models.Q(finished_at=None), name="training_unfinished"),
        ]

    def __str__(self) -> str:
        return f"training-{self.pk}"

    @property
    def steps(self) -> int:
        return len(STEPS[TrainingJob.Kind(self.kind)])


LEARNING, JUDGING, PROMOTING = "learning", "judging", "going live, if it passed"
FORECASTING = "forecasting all listings"
STEPS = {
    TrainingJob.Kind.FIT: (LEARNING, JUDGING, PROMOTING),
    TrainingJob.Kind.CAUSAL: (LEARNING,),
    TrainingJob.Kind.CROSS: (LEARNING,),
    TrainingJob.Kind.POLICY: (LEARNING, JUDGING),
    TrainingJob.Kind.FORECAST: (LEARNING, JUDGING, PROMOTING, FORECASTING),
}
