from django.db import models
from django.db.models import Q

from catalog.models.listing import Listing
from catalog.models.money import MoneyField
from catalog.models.product import Channel


class WeeklySales(models.Model):
    """What one listing sold in one week. A week without sales has no row."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="weekly_sales")
    week = models.DateField(help_text="The Monday on which the week begins.")
    units = models.PositiveIntegerField()
    revenue = MoneyField()
    price = MoneyField(help_text="Median unit price over the week's invoice lines.")
    orders = models.PositiveIntegerField(help_text="Distinct invoices.")

    class Meta:
        verbose_name_plural = "weekly sales"
        constraints = [
            models.UniqueConstraint(fields=["listing", "week"], name="sales_once_per_week"),
            models.CheckConstraint(condition=Q(units__gt=0, price__gt=0), name="sales_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} {self.week}: {self.units}"


class DailySales(models.Model):
    """What one listing sold on one day. A day without sales has no row; the days of a week add up to its weekly row."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="daily_sales", db_index=False)
    day = models.DateField()
    units = models.PositiveIntegerField()
    revenue = MoneyField()

    class Meta:
        verbose_name_plural = "daily sales"
        constraints = [
            models.UniqueConstraint(fields=["listing", "day"], name="sales_once_per_day"),
            models.CheckConstraint(condition=Q(units__gt=0), name="daily_sales_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} {self.day}: {self.units}"


class WeekConditions(models.Model):
    """What else moved a listing's demand in a week. A week without a row was a usual one."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="week_conditions")
    week = models.DateField(help_text="The Monday on which the week begins.")
    promotion = models.FloatField(default=0, help_text="Share of the week on promotion, 0 to 1, beyond its price.")
    stocked_out = models.BooleanField(default=False, help_text="It sold out in the week: demand was at least sales.")

    class Meta:
        verbose_name_plural = "week conditions"
        constraints = [
            models.UniqueConstraint(fields=["listing", "week"], name="conditions_once_per_week"),
            models.CheckConstraint(condition=Q(promotion__gte=0, promotion__lte=1), name="conditions_promotion_share"),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} {self.week}"


class SalesImport(models.Model):
    """One transaction file that was read, with what was kept and what was rejected and why."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT)
    sha256 = models.CharField(max_length=64)
    rules_version = models.PositiveSmallIntegerField()
    file_name = models.CharField(max_length=300)
    rows_read = models.PositiveBigIntegerField()
    rows_kept = models.PositiveBigIntegerField()
    rejected = models.JSONField(help_text="Rejected rows by reason.")
    products = models.PositiveIntegerField()
    weeks = models.PositiveIntegerField()
    imported_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "sha256", "rules_version"], name="import_once_per_file"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.imported_at:%Y-%m-%d})"
