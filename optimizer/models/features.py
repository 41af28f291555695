"""History of the feature store. Rows are added and never changed: what was known at a moment stays known."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from catalog.models.money import MoneyField


class ActivityIncrement(models.Model):
    """What one event added to a listing's views and sales; one row however often the event arrives."""

    class Kind(models.TextChoices):
        VIEW = "view", "demand event"
        SALE = "sale", "purchase"

    kind = models.CharField(max_length=8, choices=Kind)
    source_id = models.UUIDField(help_text="The demand event of a view, the decision of a sale.")
    listing = models.ForeignKey("catalog.Listing", on_delete=models.PROTECT, related_name="+", db_index=False)
    happened_at = models.DateTimeField(help_text="As the event says, but never after we learned of it.")
    known_at = models.DateTimeField(help_text="When we learned of it.")
    views = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0, help_text="The event's demand.")
    units = models.PositiveIntegerField(default=0)
    revenue = MoneyField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "source_id"], name="increment_once"),
            models.CheckConstraint(condition=Q(happened_at__lte=F("known_at")), name="increment_known_after"),
            models.CheckConstraint(condition=Q(revenue__gte=0), name="increment_revenue_sane"),
        ]
        indexes = [
            models.Index(
                fields=["listing", "happened_at"],
                include=["known_at", "views", "requests", "units", "revenue"],
                name="increment_window",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.listing_id} at {self.happened_at:%Y-%m-%d %H:%M:%S}"


class ActivityRecording(models.Model):
    """Since when a channel's events are counted. A window that begins before it is unknown, not 0."""

    channel = models.OneToOneField("catalog.Channel", on_delete=models.PROTECT, related_name="+")
    began_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.channel_id} since {self.began_at:%Y-%m-%d %H:%M:%S}"


class FeatureSnapshot(models.Model):
    """One group of a listing's features as we learned it; a row only where it differs from the row before."""

    listing = models.ForeignKey("catalog.Listing", on_delete=models.PROTECT, related_name="+", db_index=False)
    feature_group = models.CharField(max_length=16)
    event_at = models.DateTimeField(null=True, help_text="When it was so. Empty: the source does not say.")
    known_at = models.DateTimeField(help_text="When we learned of it; after the source was read.")
    numbers = ArrayField(models.FloatField(null=True), help_text="The group's features in their order.")

    class Meta:
        indexes = [models.Index(fields=["listing", "feature_group", "-known_at", "-id"], name="snapshot_newest")]

    def __str__(self) -> str:
        return f"{self.feature_group} of {self.listing_id} at {self.known_at:%Y-%m-%d %H:%M:%S}"
