"""Four eyes: which prices need a second person, and the prices that wait for one."""

from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from catalog.models.listing import Listing, PriceSource
from catalog.models.money import MoneyField
from catalog.models.product import Category, Channel


def usually_covered() -> list[str]:
    """Return the sources that a new policy covers unless told otherwise."""
    return [
        PriceSource.OPTIMIZER.value,
        PriceSource.BANDIT.value,
        PriceSource.EXPERIMENT.value,
        PriceSource.OVERRIDE.value,
        PriceSource.PROMOTION.value,
        PriceSource.MARKDOWN.value,
        PriceSource.LIST_PRICE.value,
    ]


class ApprovalPolicy(models.Model):
    """From which risk on a price waits for a second person. The narrowest policy alone counts: global < category <
    channel. An empty limit says nothing."""

    category = models.ForeignKey(Category, null=True, blank=True, on_delete=models.CASCADE)
    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.CASCADE)
    sources = ArrayField(
        models.CharField(max_length=16, choices=PriceSource),
        default=usually_covered,
        help_text="Whose prices this policy covers; all others pass.",
    )
    max_change = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(9)],
        help_text="A larger step against the price in force waits, as a fraction: 0.2 is 20 %.",
    )
    max_revenue = MoneyField(
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="More weekly revenue at stake (price × expected units a week) waits.",
    )
    currency = models.CharField(
        max_length=3,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{3}$", "Use an ISO 4217 code such as GBP.")],
        help_text="Currency of the revenue limit; it applies in channels of this currency only.",
    )
    kvi_needs_approval = models.BooleanField(
        "KVI needs approval", default=False, help_text="Every change of a key value item's price waits."
    )
    expires_after_hours = models.PositiveIntegerField(
        default=48,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 90)],
        help_text="A price that nobody decided on in this time is not published any more.",
    )
    note = models.CharField(max_length=300, blank=True, help_text="Why this policy exists.")

    class Meta:
        verbose_name_plural = "approval policies"
        constraints = [
            models.UniqueConstraint(
                fields=["category", "channel"],
                nulls_distinct=False,
                name="approval_policy_once_per_scope",
                violation_error_message="A policy for this scope exists already: edit that one.",
            ),
            models.CheckConstraint(
                condition=Q(category__isnull=True) | Q(channel__isnull=True),
                name="approval_policy_has_one_scope",
                violation_error_message="Choose a category or a channel, not both.",
            ),
            models.CheckConstraint(
                condition=Q(max_revenue__isnull=True) | ~Q(currency=""),
                name="approval_policy_revenue_has_currency",
                violation_error_message="Say in which currency the revenue limit is.",
            ),
            models.CheckConstraint(condition=Q(expires_after_hours__gte=1), name="approval_policy_leaves_time"),
        ]

    def __str__(self) -> str:
        return self.scope

    @property
    def scope(self) -> str:
        """``global``, ``category:<code>`` or ``channel:<code>``."""
        if self.category is not None:
            return f"category:{self.category.code}"
        return "global" if self.channel is None else f"channel:{self.channel.code}"

    def clean(self) -> None:
        if self.max_revenue is not None and not self.currency:
            raise ValidationError({"currency": "Say in which currency the revenue limit is."})


class PriceApproval(models.Model):
    """A price that the gate parked until a second person approves it. Whoever asked for it cannot decide on it."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        APPROVED = "approved"
        REJECTED = "rejected"
        EXPIRED = "expired"
        SUPERSEDED = "superseded"

    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="price_approvals")
    price = MoneyField()
    price_before = MoneyField(help_text="The price in force when it was parked.")
    source = models.CharField(max_length=16, choices=PriceSource)
    expected_version = models.PositiveBigIntegerField(help_text="The price version that it was decided on.")
    idempotency_key = models.CharField(max_length=120, help_text="The same decision is parked once.")
    binding_rule = models.CharField(max_length=32, blank=True)
    explanation = models.JSONField(default=dict)
    run_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The person who set the price; empty for an automatic one.",
    )
    requested_at = models.DateTimeField()
    risks = ArrayField(models.CharField(max_length=200), help_text="Why a second person must look, in words.")
    change = models.DecimalField(max_digits=9, decimal_places=4, help_text="Step against the price in force.")
    revenue_at_stake = MoneyField(null=True, help_text="A week at the new price; empty where sales are unknown.")
    expires_at = models.DateTimeField()

    status = models.CharField(max_length=16, choices=Status, default=Status.WAITING)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    comment = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["listing", "idempotency_key"], name="approval_decision_once"),
            models.UniqueConstraint(
                fields=["listing"], condition=Q(status="waiting"), name="approval_one_waiting_per_listing"
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | Q(requested_by__isnull=True) | ~Q(decided_by=F("requested_by")),
                name="approval_by_a_second_person",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "rejected"])
                | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="approval_decided_by_somebody",
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="approval_price_positive"),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(status="waiting"), name="approval_waiting"),
            models.Index(fields=["status", "-id"], name="approval_status"),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id}: {self.price} ({self.status})"
