from datetime import date, timedelta

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from catalog.models.money import MoneyField

MAX_PERIODS = 400


class MarkdownPlan(models.Model):
    """Sell a listing's stock down to a target until a date; the software chooses the price of each period."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        ACTIVE = "active"
        FINISHED = "finished"
        CANCELLED = "cancelled"

    class Period(models.TextChoices):
        DAY = "day"
        WEEK = "week"

    listing = models.ForeignKey("catalog.Listing", on_delete=models.PROTECT, related_name="markdown_plans")
    status = models.CharField(max_length=16, choices=Status, default=Status.DRAFT, editable=False)
    starts_on = models.DateField(help_text="First day.")
    ends_on = models.DateField(help_text="Last day.")
    period = models.CharField(
        max_length=8, choices=Period, default=Period.WEEK, help_text="How often the price may change."
    )
    target_stock = models.PositiveIntegerField(default=0, help_text="Units that may be left at the end.")
    penalty = MoneyField(
        default=0, validators=[MinValueValidator(0)], help_text="What each unit left above the target costs you."
    )
    salvage_value = MoneyField(
        default=0, validators=[MinValueValidator(0)], help_text="What each unit left at the end still brings."
    )
    only_down = models.BooleanField(default=True, help_text="Prices only fall.")
    max_changes = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How often the price may change at most; empty means any number of times."
    )
    returns_to_list_price = models.BooleanField(
        default=False, help_text="After the last day the list price is published; else the last price stays."
    )
    reason = models.CharField(max_length=300)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["listing"], condition=Q(status="active"), name="markdown_one_active_per_listing"
            ),
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="markdown_ends_after_start"),
            models.CheckConstraint(
                condition=Q(penalty__gte=0, salvage_value__gte=0), name="markdown_amounts_not_negative"
            ),
        ]
        indexes = [models.Index(fields=["status", "id"], name="markdown_status")]

    def __str__(self) -> str:
        return f"markdown of {self.listing_id} until {self.ends_on}"

    @property
    def days_in_period(self) -> int:
        return 7 if self.period == self.Period.WEEK else 1

    @property
    def days(self) -> int:
        return (self.ends_on - self.starts_on).days + 1

    def period_start(self, day: date) -> date:
        """Return the first day of the period that a day lies in; before the plan that of its first period."""
        passed = max(0, (day - self.starts_on).days)
        return self.starts_on + timedelta(days=passed - passed % self.days_in_period)

    def periods_left(self, day: date) -> int:
        """Count the periods from the one that a day lies in to the end; 0 after the end."""
        return max(0, ((self.ends_on - self.period_start(day)).days + 1) // self.days_in_period)


class MarkdownStep(models.Model):
    """What a plan decided for one period, from which inputs, and what the gate did with it. Append-only."""

    class Outcome(models.TextChoices):
        PUBLISHED = "published"
        UNCHANGED = "unchanged"
        REFUSED = "refused"
        UNPRICED = "unpriced", "not priced"

    plan = models.ForeignKey(MarkdownPlan, on_delete=models.PROTECT, related_name="steps")
    period_start = models.DateField()
    revision = models.PositiveSmallIntegerField(help_text="0 for a period's first decision, then 1, 2, …")
    decided_at = models.DateTimeField()
    periods_left = models.PositiveSmallIntegerField()
    stock = models.PositiveIntegerField(null=True)
    previous_price = MoneyField()
    price_version = models.PositiveBigIntegerField(help_text="Of the price in force that the decision knew.")
    price = MoneyField(null=True)
    outcome = models.CharField(max_length=16, choices=Outcome)
    outcome_reason = models.CharField(max_length=64, blank=True)
    inputs = models.JSONField(default=dict, help_text="Cost, demand and elasticity with their times, and the ladder.")
    forecast = models.JSONField(
        default=dict, help_text="By period from this one on: price, expected stock and its 80 % interval."
    )
    value = models.FloatField(null=True, help_text="Expected revenue and salvage until the end, less penalties.")
    value_keeping_price = models.FloatField(null=True, help_text="The same if the price in force stayed.")
    meets_target = models.FloatField(null=True, help_text="Probability that no more than the target is left.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "period_start", "revision"], name="markdown_step_once"),
            models.CheckConstraint(condition=Q(price__isnull=True) | Q(price__gt=0), name="markdown_price_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.plan_id} {self.period_start}: {self.price}"
