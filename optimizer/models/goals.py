from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F, Q

GOAL_FIELDS = (
    "least_revenue_change",
    "least_margin_rate",
    "most_changes",
    "index_low",
    "index_high",
    "kvi_index_low",
    "kvi_index_high",
)


class RunGoals(models.Model):
    """What every run of a channel asks of all its prices together; without a row each price is chosen alone."""

    channel = models.OneToOneField("catalog.Channel", on_delete=models.CASCADE, related_name="+")
    least_revenue_change = models.DecimalField(
        max_digits=6,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Least change of expected revenue, a fraction: 0 keeps it, 0.02 asks for 2 % more.",
    )
    least_margin_rate = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Least expected profit per revenue, a fraction.",
    )
    most_changes = models.PositiveIntegerField(
        null=True, blank=True, help_text="Largest number of prices that one run may change."
    )
    index_low = models.DecimalField(
        max_digits=6,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Least average of own price divided by competitors' price, in every category by itself.",
    )
    index_high = models.DecimalField(
        max_digits=6, decimal_places=4, null=True, blank=True, help_text="Largest such average."
    )
    kvi_index_low = models.DecimalField(
        max_digits=6, decimal_places=4, null=True, blank=True, help_text="The same for key value items alone: least."
    )
    kvi_index_high = models.DecimalField(
        max_digits=6, decimal_places=4, null=True, blank=True, help_text="The same for key value items alone: largest."
    )

    class Meta:
        verbose_name_plural = "run goals"
        constraints = [
            models.CheckConstraint(
                condition=Q(least_margin_rate__isnull=True) | Q(least_margin_rate__lt=1), name="goals_margin_below_one"
            ),
            models.CheckConstraint(
                condition=Q(index_low__isnull=True) | Q(index_high__isnull=True) | Q(index_low__lte=F("index_high")),
                name="goals_index_not_crossed",
                violation_error_message="The price index cannot be at least more than it is at most.",
            ),
            models.CheckConstraint(
                condition=Q(kvi_index_low__isnull=True)
                | Q(kvi_index_high__isnull=True)
                | Q(kvi_index_low__lte=F("kvi_index_high")),
                name="goals_kvi_index_not_crossed",
                violation_error_message="The index of key value items cannot be at least more than it is at most.",
            ),
        ]

    def __str__(self) -> str:
        return f"goals of {self.channel_id}"

    def as_dict(self) -> dict[str, Any]:
        """Return the goals that are set, by name, JSON-able."""
        numbers = {name: getattr(self, name) for name in GOAL_FIELDS}
        return {
            name: float(value) if isinstance(value, Decimal) else value
            for name, value in numbers.items()
            if value is not None
        }
