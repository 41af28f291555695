"""What is served beside the price in force: the arms of an experiment, single offers; and the cache's epoch."""

from django.db import models
from django.db.models import F, Q

from catalog.models.listing import Listing
from catalog.models.money import MoneyField


class CacheEpoch(models.Model):
    """One row. A higher number makes every process forget what Redis and it hold: the last resort when a publish could
    not reach Redis."""

    number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)


class ServedExperiment(models.Model):
    """An experiment that a listing's price is served through, until it ended. The gate has checked every arm."""

    class Unit(models.TextChoices):
        """What is randomised. Never a visitor: prices do not depend on who asks."""

        SKU = "sku", "SKU"
        REGION = "region", "region"
        TIME_SLOT = "time_slot", "time slot"

    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="served_experiments")
    experiment = models.SlugField(max_length=64)
    salt = models.CharField(max_length=64, help_text="Makes this experiment's draw independent of every other's.")
    unit = models.CharField(max_length=16, choices=Unit)
    slot_seconds = models.PositiveIntegerField(null=True, help_text="Length of a time slot.")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["listing"], condition=Q(ended_at__isnull=True), name="served_experiment_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=~Q(unit="time_slot") | Q(slot_seconds__gte=60), name="served_experiment_slot_length"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.experiment} on {self.listing_id}"


class ServedArm(models.Model):
    """One arm's price on a listing. Arms are kept in the order of their keys; the first is the control."""

    served_experiment = models.ForeignKey(ServedExperiment, on_delete=models.PROTECT, related_name="arms")
    arm = models.SlugField(max_length=32)
    share = models.PositiveIntegerField(help_text="Basis points of the units; the arms of a listing sum to 10,000.")
    price = MoneyField()
    floor = MoneyField(null=True, help_text="Hard floor when the gate checked the price.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["served_experiment", "arm"], name="served_arm_once"),
            models.CheckConstraint(condition=Q(price__gt=0), name="served_arm_price_positive"),
            models.CheckConstraint(
                condition=Q(floor__isnull=True) | Q(price__gte=F("floor")), name="served_arm_not_below_floor"
            ),
            models.CheckConstraint(condition=Q(share__gt=0, share__lte=10_000), name="served_arm_share"),
        ]

    def __str__(self) -> str:
        return f"{self.arm}: {self.price}"


class LowestOffer(models.Model):
    """The lowest price that a listing was offered at on a day in single decisions, such as the bandit's.

    Such a price is in no ledger row, but it was applied: the prior price counts it for that day.
    """

    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="+")
    day = models.DateField(help_text="In UTC.")
    price = MoneyField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["listing", "day"], name="lowest_offer_once_a_day"),
            models.CheckConstraint(condition=Q(price__gt=0), name="lowest_offer_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} on {self.day}: {self.price}"
