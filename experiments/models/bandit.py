"""The price bandit: in which situation it decides, among which prices, what it decided and what came of it."""

import uuid
from decimal import Decimal

import numpy as np
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from catalog.models.money import MoneyField
from experiments.stats.policy_names import REFERENCE_POLICY
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
    """One price in one context."""

    context = models.ForeignKey(BanditContext, on_delete=models.PROTECT, related_name="arms")
    price = MoneyField()

    class Meta:
        verbose_name = "bandit arm"
        constraints = [
            models.UniqueConstraint(fields=["context", "price"], name="arm_once_per_context"),
            models.CheckConstraint(condition=Q(price__gt=0), name="arm_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.price}"


class ArmCount(models.Model):
    """What was decided for an arm in one epoch, and what came of it, whenever that became known.

    All that the bandit has learned is here, in whole numbers: the same set of outcomes gives the same rows in whatever
    order it came, and every posterior is a function of them.
    """

    arm = models.ForeignKey(BanditArm, on_delete=models.PROTECT, related_name="counts", db_index=False)
    epoch = models.IntegerField(help_text="Of the decision: its time ÷ BANDIT_EPOCH_SECONDS.")
    decided = models.BigIntegerField(default=0)
    purchases = models.BigIntegerField(default=0)
    rejections = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["arm", "epoch"], name="count_once_per_epoch"),
            # Rejections may be: one that was assumed and merged into an older row is taken back in its own epoch.
            models.CheckConstraint(condition=Q(decided__gte=0, purchases__gte=0), name="count_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.arm_id} in {self.epoch}: {self.purchases} of {self.purchases + self.rejections}"


class ChoiceSet(models.Model):
    """What decisions in one context choose from: the arms on offer, and with which probability a policy plays each."""

    context = models.ForeignKey(BanditContext, on_delete=models.PROTECT, related_name="+", db_index=False)
    policy = models.CharField(max_length=32, default=REFERENCE_POLICY, help_text="Whose probabilities these are.")
    arms = ArrayField(models.BigIntegerField(), null=True, help_text="Keys of the arms.")
    prices = ArrayField(MoneyField(), help_text="Rising.")
    alphas = ArrayField(models.FloatField(), help_text="1 + purchases at each price then.")
    betas = ArrayField(models.FloatField(), help_text="1 + rejections at each price then.")
    probabilities = ArrayField(models.FloatField())
    made_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["context", "policy", "-id"], name="choice_newest")]

    def __str__(self) -> str:
        return f"{len(self.prices)} arms of {self.context_id}"

    def arm_at(self, point: float) -> int:
        """Return the position of the arm that a point in [0, 1) draws."""
        return int(choose_arms(np.array([self.probabilities]), np.array([point]))[0][0])


DECISION_NAMESPACE = uuid.UUID("6d9f2c1e-64a5-4b7f-9d0e-2f6c5a1b8e37")


def decision_id_of(event_id: uuid.UUID) -> uuid.UUID:
    """Return the id of the decision for a demand event: one event cannot be decided twice, whoever tries."""
    return uuid.uuid5(DECISION_NAMESPACE, event_id.hex)


class ExpiryMark(models.Model):
    """Until when decisions without an outcome have been expired; one row."""

    expired_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"until {self.expired_until}"


class PricingDecision(models.Model):
    """A price that the bandit decided for one demand event, with the probability it was drawn with, and its outcome."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting for its outcome"
        PURCHASED = "purchased"
        REJECTED = "rejected"
        EXPIRED = "expired", "expired: counted as a rejection"

    decision_id = models.UUIDField(unique=True, help_text="Follows from the event: `decision_id_of`.")
    event_id = models.UUIDField(help_text="The demand event: delivered again, it is not decided again.")
    context = models.ForeignKey(BanditContext, on_delete=models.PROTECT, related_name="decisions")
    arm = models.ForeignKey(BanditArm, on_delete=models.PROTECT, related_name="decisions", db_index=False)
    price = MoneyField()
    floor = MoneyField(help_text="Hard floor when it was decided: cost, margin, MAP.")
    propensity = models.FloatField(help_text="Probability with which this arm was drawn.")
    choice_set = models.ForeignKey(
        ChoiceSet, null=True, on_delete=models.PROTECT, related_name="decisions", db_index=False
    )
    point = models.FloatField(null=True, help_text="Where in [0, 1) the draw fell: it gives the arm again.")
    decided_at = models.DateTimeField()
    state = models.CharField("outcome", max_length=16, choices=State, default=State.WAITING)
    outcome_at = models.DateTimeField(null=True, help_text="When the shopper bought or left.")
    settled_at = models.DateTimeField(null=True, help_text="When we learned of it.")

    class Meta:
        get_latest_by = "pk"
        constraints = [
            models.CheckConstraint(condition=Q(propensity__gt=0, propensity__lte=1), name="decision_propensity_sane"),
            models.CheckConstraint(condition=Q(price__gt=0, price__gte=F("floor")), name="decision_not_below_floor"),
        ]
        # None on what an outcome changes: the new version of the row then stays on its page, and no index is touched.
        indexes = [BrinIndex(fields=["decided_at"], pages_per_range=32, autosummarize=True, name="decision_time")]

    def __str__(self) -> str:
        return f"{self.price} ({self.get_state_display()})"

    @property
    def replayed_price(self) -> Decimal | None:
        """Work the price out again from what was on offer and where the draw fell; None where that was not kept."""
        if self.choice_set is None or self.point is None:
            return None
        return self.choice_set.prices[self.choice_set.arm_at(self.point)]
