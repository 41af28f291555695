from django.conf import settings
from django.db import models
from django.db.models import Q


class HorizonPolicy(models.Model):
    """A network that learned to price a finite stock over a horizon, and how it does beside the exact optimum.

    It prices nothing by itself: the newest of a channel is asked what it would do wherever a markdown plan decides.
    One that passes its gate may be released: to price where the exact optimum cannot be worked out.
    """

    channel = models.ForeignKey("catalog.Channel", on_delete=models.PROTECT, related_name="+")
    job = models.OneToOneField(
        "optimizer.TrainingJob", on_delete=models.PROTECT, related_name="policy", help_text="Who asked for it."
    )
    config = models.JSONField(help_text="How it was trained, and the ranges of the problems it learned from.")
    artefact = models.BinaryField(help_text="The network, as a safetensors file.")
    device = models.CharField(max_length=32)
    seconds = models.FloatField(help_text="Time to train.")
    updates = models.PositiveIntegerField(help_text="Steps of its optimiser.")
    scores = models.JSONField(
        default=dict, help_text="By policy: share of the exact optimum on problems that nobody learned from."
    )
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    gate = models.JSONField(
        default=dict, db_default={}, help_text="When it was judged last, whether it passes, and each rule in words."
    )
    released_at = models.DateTimeField(null=True, help_text="Empty: it is only asked, beside what is served.")
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        get_latest_by = "created_at"
        verbose_name_plural = "horizon policies"
        indexes = [models.Index(fields=["channel", "-created_at"], name="policy_newest")]
        constraints = [
            models.CheckConstraint(
                condition=Q(released_at=None) | Q(gate__contains={"passes": True}),
                name="policy_released_through_its_gate",
            )
        ]

    def __str__(self) -> str:
        return f"dqn-{self.pk}"


class ShadowDecision(models.Model):
    """What a policy would have done where a markdown plan decided, written down and not served. Append-only."""

    policy = models.ForeignKey(HorizonPolicy, on_delete=models.CASCADE, related_name="decisions", db_index=False)
    step = models.ForeignKey("optimizer.MarkdownStep", on_delete=models.CASCADE, related_name="+")
    decided_at = models.DateTimeField()
    left_out = models.CharField(max_length=64, blank=True, help_text="Why it was not asked, where it was not.")
    price = models.FloatField(null=True, help_text="The price that it would have taken.")
    best_price = models.FloatField(null=True, help_text="The best of its five, by the exact dynamic programme.")
    share = models.FloatField(
        null=True, help_text="What its price is expected to bring, as a share of what the best one is."
    )
    served_share = models.FloatField(
        null=True, help_text="The same of the price that the plan served; empty in rows from before it was kept."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy", "step"], name="shadow_once")]

    def __str__(self) -> str:
        return f"{self.policy_id} at {self.step_id}: {self.price}"
