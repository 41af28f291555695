"""Prices that a person sets for a time: they start and end by the clock and revert by themselves."""

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value

from catalog.models.access import ApiKey
from catalog.models.listing import Listing, PriceSource
from catalog.models.money import MoneyField


class OverrideKind(models.TextChoices):
    """What a price for a time is; each is the `PriceSource` of the same name while it is in force."""

    OVERRIDE = "override", "override"
    PROMOTION = "promotion", "promotion"

    @property
    def source(self) -> PriceSource:
        return PriceSource(self.value)


class OverrideStatus(models.TextChoices):
    SCHEDULED = "scheduled", "scheduled"
    ACTIVE = "active", "active"
    ENDED = "ended", "ended"
    CANCELLED = "cancelled", "cancelled"
    REFUSED = "refused", "refused"


# What is still to come or in force: two of these may not overlap for one listing.
LIVE = (OverrideStatus.SCHEDULED, OverrideStatus.ACTIVE)


class PriceOverride(models.Model):
    """An override or a promotion of one listing, from its start (included) to its end (not included; may be open)."""

    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="overrides")
    kind = models.CharField(max_length=16, choices=OverrideKind, default=OverrideKind.OVERRIDE)
    price = MoneyField()
    period = DateTimeRangeField(help_text="UTC, [start, end).")
    time_zone = models.CharField(max_length=64, help_text="IANA name of the zone that the times were given in.")
    reason = models.CharField(max_length=200)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    api_key = models.ForeignKey(ApiKey, null=True, on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.CharField(max_length=120, blank=True, help_text="The same request is scheduled once.")
    created_at = models.DateTimeField()

    status = models.CharField(max_length=16, choices=OverrideStatus, default=OverrideStatus.SCHEDULED)
    refused_because = models.CharField(max_length=32, blank=True, help_text="The gate's reason, or missed.")
    outcome = models.CharField(max_length=300, blank=True, help_text="What the price went back to, and why.")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    published_version = models.PositiveBigIntegerField(null=True, help_text="Of the price, while it is in force.")
    replaced_price = MoneyField(null=True)
    replaced_source = models.CharField(max_length=16, choices=PriceSource, blank=True)

    class Meta:
        verbose_name = "override or promotion"
        verbose_name_plural = "overrides and promotions"
        constraints = [
            # A range of one number stands for the number: so GiST needs no extension for the equality.
            ExclusionConstraint(
                name="override_no_overlap",
                expressions=[
                    (
                        Func(
                            F("listing_id"),
                            F("listing_id"),
                            Value("[]"),
                            function="int8range",
                            output_field=BigIntegerRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                    ("period", RangeOperators.OVERLAPS),
                ],
                condition=Q(status__in=["scheduled", "active"]),
            ),
            models.UniqueConstraint(
                fields=["listing", "idempotency_key"], condition=~Q(idempotency_key=""), name="override_asked_once"
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="override_price_positive"),
            models.CheckConstraint(condition=~Q(reason=""), name="override_has_reason"),
            models.CheckConstraint(
                condition=Q(period__isempty=False, period__lower_inf=False, period__lower_inc=True),
                name="override_has_start",
            ),
            models.CheckConstraint(
                condition=~Q(status="active") | Q(published_version__isnull=False, started_at__isnull=False),
                name="override_active_is_published",
            ),
        ]
        indexes = [
            models.Index(Func("period", function="lower"), condition=Q(status="scheduled"), name="override_starts"),
            models.Index(Func("period", function="upper"), condition=Q(status="active"), name="override_ends"),
            models.Index(fields=["status", "-id"], name="override_status"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} of listing {self.listing_id}"

    @property
    def start_key(self) -> str:
        """The idempotency key of the decision that starts it."""
        return f"override:{self.pk}:start"

    @property
    def starts_at(self) -> datetime:
        starts_at: datetime = self.period.lower
        return starts_at

    @property
    def ends_at(self) -> datetime | None:
        ends_at: datetime | None = self.period.upper
        return ends_at

    @property
    def is_live(self) -> bool:
        return self.status in LIVE
