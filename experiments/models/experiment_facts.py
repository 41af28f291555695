"""Who was given which arm, what they were shown and what they brought: late facts may change every day's sums."""

from typing import Any

from django.db import models
from django.db.models import Q

from catalog.models.money import MoneyField
from experiments.models.price_experiment import ExperimentArm, PriceExperiment


class ExperimentUnit(models.Model):
    """A listing of an experiment: its arm (of a SKU or category design), its pair or stratum; fixed at the start."""

    experiment = models.ForeignKey(PriceExperiment, on_delete=models.PROTECT, related_name="units")
    listing = models.ForeignKey("catalog.Listing", on_delete=models.PROTECT, related_name="+")
    arm = models.ForeignKey(
        ExperimentArm, null=True, on_delete=models.PROTECT, related_name="+", help_text="Null: drawn by region or slot."
    )
    block = models.PositiveIntegerField(help_text="The pair, stratum or category that it was drawn in.")
    cluster = models.PositiveIntegerField(help_text="What was drawn as one: the listing itself, or its category.")
    covariate = models.FloatField(default=0, help_text="Its metric a day in the days before the start.")
    base_price = MoneyField(null=True, help_text="The price in force at the start: arms are measured against it.")
    base_version = models.PositiveBigIntegerField(null=True, help_text="That price's version.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experiment", "listing"], name="experiment_unit_once")]

    def __str__(self) -> str:
        return f"{self.listing_id} in {self.experiment_id}"


class ExperimentEvent(models.Model):
    """An exposure or outcome that was counted: the same event again changes nothing."""

    class Kind(models.TextChoices):
        """What happened."""

        EXPOSURE = "exposure", "exposure: an arm's price was shown"
        OUTCOME = "outcome", "outcome: something was bought"

    experiment = models.ForeignKey(PriceExperiment, on_delete=models.PROTECT, related_name="+", db_index=False)
    event_id = models.CharField(max_length=64)
    digest = models.BinaryField(max_length=16, help_text="Of the content: another one under the same id is refused.")
    occurred_on = models.DateField()
    is_crossover = models.BooleanField(
        default=False, db_default=False, help_text="It named another arm than its unit has: it was counted as nothing."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experiment", "event_id"], name="experiment_event_once")]
        indexes = [
            models.Index(fields=["experiment"], condition=Q(is_crossover=True), name="experiment_event_crossovers")
        ]

    def __str__(self) -> str:
        return self.event_id


class UnitState(models.Model):
    """A unit of randomisation and its arm, which its first event fixes. Its writers lock this row, in unit order."""

    experiment = models.ForeignKey(PriceExperiment, on_delete=models.PROTECT, related_name="+", db_index=False)
    unit = models.CharField(max_length=96)
    arm = models.ForeignKey(ExperimentArm, on_delete=models.PROTECT, related_name="+")
    covariate = models.DecimalField(
        max_digits=18, decimal_places=4, null=True, help_text="The metric a day before the start; null: not known."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experiment", "unit"], name="unit_state_once")]

    def __str__(self) -> str:
        return f"{self.unit} in {self.arm_id}"


class TotalField(MoneyField):
    """An amount of many listings: a unit may be a whole region or category, in any currency."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 24)
        super().__init__(*args, **kwargs)


class UnitDay(models.Model):
    """What one unit of randomisation was shown and brought on a day: the truth that `ArmDay` sums up.

    By the design a unit is a listing, a category, a region, a slot or a visitor. Its arm is in `UnitState`.
    """

    experiment = models.ForeignKey(PriceExperiment, on_delete=models.PROTECT, related_name="+", db_index=False)
    unit = models.CharField(max_length=96)
    day = models.DateField()
    exposures = models.PositiveBigIntegerField(default=0)
    orders = models.BigIntegerField(default=0, help_text="Below 0 where more were taken back than placed.")
    units = models.BigIntegerField(default=0)
    revenue = TotalField(default=0)
    profit = TotalField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experiment", "unit", "day"], name="unit_day_once")]

    def __str__(self) -> str:
        return f"{self.unit} on {self.day}"


class SumField(models.DecimalField):
    """A sum of squares of amounts, exact: the same whatever the order in which it was added up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 60)
        kwargs.setdefault("decimal_places", 8)
        super().__init__(*args, **kwargs)


class ArmDay(models.Model):
    """By how much a day changed the sufficient statistics of an arm and metric: what a read-out reads.

    A unit's metric (y) and its covariate or denominator (x) are totals from the start, so y² and x·y are not those of a
    day: their change is kept. The sums over the days up to one are the sums over units at its end. So a late fact
    changes rows of its own unit's days only.
    """

    arm = models.ForeignKey(ExperimentArm, on_delete=models.CASCADE, related_name="days")
    metric = models.CharField(max_length=24, choices=PriceExperiment.Metric)
    day = models.DateField()
    exposures = models.BigIntegerField(default=0)
    count = models.BigIntegerField(default=0, help_text="Units of randomisation that were exposed for the first time.")
    sum_y = SumField(default=0)
    sum_y2 = SumField(default=0)
    sum_x = SumField(default=0)
    sum_x2 = SumField(default=0)
    sum_xy = SumField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["arm", "metric", "day"], name="arm_day_once")]

    def __str__(self) -> str:
        return f"{self.arm_id} {self.metric} on {self.day}"


class ReadoutEntry(models.Model):
    """What the read-out said on a day, kept as it was said: a look that cost alpha, or a guardrail that stopped it."""

    experiment = models.ForeignKey(PriceExperiment, on_delete=models.PROTECT, related_name="readouts")
    day = models.DateField()
    read_at = models.DateTimeField()
    decision = models.CharField(max_length=16)
    sentence = models.TextField()
    figures = models.JSONField()

    class Meta:
        verbose_name_plural = "read-out entries"
        constraints = [models.UniqueConstraint(fields=["experiment", "day"], name="readout_entry_once_a_day")]

    def __str__(self) -> str:
        return f"{self.experiment_id} on {self.day}: {self.decision}"
