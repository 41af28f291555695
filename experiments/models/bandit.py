"""The price bandit: in which situation it decides, among which prices, what it decided and what came of it."""

import uuid
from decimal import Decimal

import numpy as np
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from catalog.models.money import MoneyField
from experiments.stats.thompson import choose_arms


class DemandIntensity(models.TextChoices):
    """Demand ÷ supply at a location, in three steps."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class IntensityPolicy(models.Model):
    """Where low demand ends and high demand begins. A channel's own row wins over the row without a channel."""

    channel = models.ForeignKey(
        "catalog.Channel",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty: for every channel without a row of its own.",
    )
    low = models.DecimalField(
        "low below",
        max_digits=8,
        decimal_places=3,
        default=Decimal("0.5"),
        help_text="Demand ÷ supply under this is low: 0.5 is one request for two units.",
    )
    high = models.DecimalField(
        "high above",
        max_digits=8,
        decimal_places=3,
        default=Decimal("1.5"),
        help_text="Demand ÷ supply over this is high.",
    )

    class Meta:
        verbose_name_plural = "intensity policies"
        constraints = [
            models.UniqueConstraint(
                fields=["channel"],
                nulls_distinct=False,
                name="intensity_once_per_channel",
                violation_error_message="This channel has a policy already: edit that one.",
            ),
            models.CheckConstraint(
                condition=Q(low__gte=0, low__lt=F("high")),
                name="intensity_thresholds_rise",
                violation_error_message="The low threshold must be below the high one.",
            ),
        ]

    def __str__(self) -> str:
        return f"low below {self.low}, high above {self.high}"

    def intensity_of(self, *, demand: int, supply: int) -> DemandIntensity:
        """Return the intensity; without any supply every demand is high, and no demand is medium."""
        if demand < self.low * supply:
            return DemandIntensity.LOW
        return DemandIntensity.HIGH if demand > self.high * supply else DemandIntensity.MEDIUM


class BanditContext(models.Model):
    """A listing at a location under one demand intensity. A location is a place or region, never a visitor."""

    listing = models.ForeignKey("catalog.Listing", on_delete=models.PROTECT, related_name="+")
    location = models.CharField(max_length=64)
    intensity = models.CharField("demand intensity", max_length=8, choices=DemandIntensity)

    class Meta:
        verbose_name = "bandit context"
        constraints = [
            models.UniqueConstraint(fields=["listing", "location", "intensity"], name="context_once"),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} {self.location} {self.intensity}"


class BanditArm(models.Model):
    """One price in one context, and the Beta posterior of the probability that a shopper buys at it."""

    context = models.ForeignKey(BanditContext, on_delete=models.PROTECT, related_name="arms")
    price = MoneyField()
    alpha = models.FloatField("α", default=1.0, help_text="Prior 1 plus purchases.")
    beta = models.FloatField("β", default=1.0, help_text="Prior 1 plus rejections.")

    class Meta:
        verbose_name = "bandit arm"
        constraints = [
            models.UniqueConstraint(fields=["context", "price"], name="arm_once_per_context"),
            models.CheckConstraint(condition=Q(price__gt=0, alpha__gt=0, beta__gt=0), name="arm_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.price}: {self.purchase_rate:.3f}"

    @property
    def purchase_rate(self) -> float:
        """Posterior mean of the purchase probability."""
        return self.alpha / (self.alpha + self.beta)


class ChoiceSet(models.Model):
    """What a batch of decisions in one context chose from: the arms on offer, and the probability of each."""

    context = models.ForeignKey(BanditContext, on_delete=models.PROTECT, related_name="+")
    prices = ArrayField(MoneyField(), help_text="Rising.")
    alphas = ArrayField(models.FloatField(), help_text="α of each posterior then.")
    betas = ArrayField(models.FloatField(), help_text="β of each posterior then.")
    probabilities = ArrayField(models.FloatField())
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{len(self.prices)} arms of {self.context_id}"

    def arm_at(self, point: float) -> int:
        """Return the position of the arm that a point in [0, 1) draws."""
        return int(choose_arms(np.array([self.probabilities]), np.array([point]))[0][0])


class PricingDecision(models.Model):
    """A price that the bandit decided for one demand event, with the probability it was drawn with, and its outcome."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting for its outcome"
        PURCHASED = "purchased"
        REJECTED = "rejected"
        EXPIRED = "expired", "expired: counted as a rejection"

    decision_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    event_id = models.UUIDField(unique=True, help_text="The demand event: delivered again, it is not decided again.")
    context = models.ForeignKey(BanditContext, on_delete=models.PROTECT, related_name="decisions")
    arm = models.ForeignKey(BanditArm, on_delete=models.PROTECT, related_name="decisions")
    price = MoneyField()
    floor = MoneyField(help_text="Hard floor when it was decided: cost, margin, MAP.")
    propensity = models.FloatField(help_text="Probability with which this arm was drawn.")
    choice_set = models.ForeignKey(ChoiceSet, null=True, on_delete=models.PROTECT, related_name="decisions")
    point = models.FloatField(null=True, help_text="Where in [0, 1) the draw fell: it gives the arm again.")
    decided_at = models.DateTimeField()
    state = models.CharField("outcome", max_length=16, choices=State, default=State.WAITING)
    outcome_at = models.DateTimeField(null=True, help_text="When the shopper bought or left.")
    settled_at = models.DateTimeField(null=True, help_text="When we learned of it.")

    class Meta:
        get_latest_by = "decided_at"
        constraints = [
            models.CheckConstraint(condition=Q(propensity__gt=0, propensity__lte=1), name="decision_propensity_sane"),
            models.CheckConstraint(condition=Q(price__gt=0, price__gte=F("floor")), name="decision_not_below_floor"),
        ]
        indexes = [
            models.Index(fields=["decided_at"], condition=Q(state="waiting"), name="decision_waiting"),
            models.Index(fields=["-decided_at"], name="decision_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.price} ({self.get_state_display()})"

    @property
    def replayed_price(self) -> Decimal | None:
        """Work the price out again from what was on offer and where the draw fell; None where that was not kept."""
        if self.choice_set is None or self.point is None:
            return None
        return self.choice_set.prices[self.choice_set.arm_at(self.point)]
