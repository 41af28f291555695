from typing import Final

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

MAX_REASON: Final = 300


class ForecastStep(models.TextChoices):
    """How long one step of a forecast is."""

    DAY = "day", "days"
    WEEK = "week", "weeks"

    @property
    def days(self) -> int:
        return 7 if self is ForecastStep.WEEK else 1


class DemandForecaster(models.Model):
    """A model that forecasts the units of all listings of a channel: what it read, how, and how well it did.

    The live one of a channel and step makes the forecasts that are stored.
    """

    class Status(models.TextChoices):
        CANDIDATE = "candidate", "candidate"
        LIVE = "live", "live"
        RETIRED = "retired", "was live"

    channel = models.ForeignKey("catalog.Channel", on_delete=models.PROTECT, related_name="+")
    job = models.OneToOneField(
        "optimizer.TrainingJob",
        on_delete=models.PROTECT,
        related_name="forecaster",
        help_text="Who learned it: a job learns one, however often its worker is killed.",
    )
    step = models.CharField(max_length=4, choices=ForecastStep)
    status = models.CharField(max_length=9, choices=Status, default=Status.CANDIDATE)
    config = models.JSONField()
    artefact = models.BinaryField(help_text="Weights and what belongs to them, as safetensors.")
    levels = ArrayField(models.FloatField(), help_text="Of its quantiles, ascending.")
    seed = models.PositiveIntegerField()
    data_from = models.DateField()
    data_to = models.DateField(help_text="Last day read, the held-out ones among them.")
    held_out_from = models.DateField(help_text="First day of those that it was judged by and did not learn from.")
    trained_at = models.DateTimeField()
    seconds = models.FloatField()
    device = models.CharField(max_length=32)
    inference_seconds = models.FloatField(null=True, help_text="Of its newest forecast of all listings.")
    scores = models.JSONField(default=dict, help_text="On the held-out days, by segment and method; who serves which.")
    verdict = models.JSONField(default=dict, help_text="Whether it may go live, and why in words.")
    promoted_at = models.DateTimeField(null=True, help_text="When it went live; empty: it never did.")

    class Meta:
        get_latest_by = "trained_at"
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "step"], condition=Q(status="live"), name="forecaster_one_live_per_step"
            ),
            models.CheckConstraint(
                condition=Q(status="candidate", promoted_at=None)
                | ~Q(status="candidate") & Q(promoted_at__isnull=False),
                name="forecaster_promoted_once_live",
            ),
        ]
        indexes = [models.Index(fields=["channel", "step", "-trained_at"], name="forecaster_newest")]

    def __str__(self) -> str:
        return f"forecaster-{self.pk}"


class ForecasterPromotion(models.Model):
    """That a forecaster went live: when, who decided it, why, and which one it replaced. Append-only by a trigger."""

    class Gate(models.TextChoices):
        PASSED = "passed", "passed"
        OVERRULED = "overruled", "refused, and overruled"
        RETURNED = "returned", "was live before"

    forecaster = models.ForeignKey(DemandForecaster, on_delete=models.PROTECT, related_name="promotions")
    replaced = models.ForeignKey(
        DemandForecaster, null=True, on_delete=models.PROTECT, related_name="+", help_text="The one live until then."
    )
    at = models.DateTimeField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Empty: the training job that learned it, or a key without an owner.",
    )
    reason = models.CharField(max_length=MAX_REASON, blank=True)
    gate = models.CharField(max_length=9, choices=Gate, help_text="Why it might go live.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(gate="overruled") | Q(author__isnull=False) & ~Q(reason=""),
                name="forecaster_overruled_by_whom_and_why",
            )
        ]

    def __str__(self) -> str:
        return f"{self.forecaster} at {self.at:%Y-%m-%d %H:%M}"


class DemandForecast(models.Model):
    """The newest forecast of one listing's units: a row a listing and step, which the next one replaces."""

    listing = models.ForeignKey("catalog.Listing", on_delete=models.CASCADE, related_name="+", db_index=False)
    step = models.CharField(max_length=4, choices=ForecastStep)
    forecaster = models.ForeignKey(DemandForecaster, on_delete=models.PROTECT, related_name="forecasts")
    made_at = models.DateTimeField()
    from_day = models.DateField(help_text="First day of the first step.")
    prices = ArrayField(models.FloatField(), help_text="Assumed by step: the price in force, and planned ones.")
    elasticity = models.FloatField(
        help_text="Of the forecast: at another price it is times (price / its price) ^ this."
    )
    method = models.CharField(max_length=32, help_text="Which of the forecaster's methods serves the listing.")
    cold_start = models.BooleanField(help_text="It has too little history: its category speaks for it.")
    quantiles = ArrayField(ArrayField(models.FloatField()), help_text="Units by step and level of the forecaster.")
    interval80 = ArrayField(ArrayField(models.FloatField()), help_text="Ends of the 80 % interval by step.")
    expected = ArrayField(
        models.FloatField(), default=list, db_default=[], help_text="Mean units by step; none in rows from before."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["listing", "step"], name="forecast_newest_only"),
            models.CheckConstraint(condition=Q(elasticity__lte=0), name="forecast_falls_with_price"),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} by {self.step} from {self.from_day}"
