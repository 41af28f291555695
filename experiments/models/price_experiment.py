"""A price experiment: what is tried on what, by which rules it is read, and where it stands in its life."""

import secrets

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

SHARES = 10_000


def new_salt() -> str:
    return secrets.token_hex(16)


class ExperimentLayer(models.Model):
    """Experiments of one layer never share a listing at a time: a listing belongs to one of them or to none."""

    channel = models.ForeignKey("catalog.Channel", on_delete=models.CASCADE, related_name="+")
    name = models.SlugField(max_length=64)
    salt = models.CharField(max_length=64, default=new_salt, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "name"],
                name="layer_once_per_channel",
                violation_error_message="This channel has a layer of that name already: use it.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class PriceExperiment(models.Model):
    """Prices tried against the price in force, on listings drawn by a salted hash.

    The plan (everything from `design` to `plan`) may be edited in a draft only; the database keeps it from then on.
    """

    class Status(models.TextChoices):
        """Draft → review → running → stopped → decided. A draft or a review may be withdrawn instead."""

        DRAFT = "draft", "draft"
        REVIEW = "review", "in review"
        RUNNING = "running", "running"
        STOPPED = "stopped", "stopped"
        DECIDED = "decided", "decided"
        WITHDRAWN = "withdrawn", "withdrawn"

    class Design(models.TextChoices):
        """What is randomised."""

        SKU = "sku", "SKUs: each has one price throughout"
        CATEGORY = "category", "categories: all SKUs of one have the same arm, so substitutes do not meet"
        REGION = "region", "regions: a place sees one arm throughout"
        SWITCHBACK = "switchback", "time slots: all see the same arm, which changes from slot to slot"
        VISITOR = "visitor", "visitors: a price by person, which must be disclosed"

    class Matching(models.TextChoices):
        """How like units are spread over the arms."""

        PAIRS = "pairs", "matched pairs: the two most alike, one in each arm"
        STRATA = "strata", "strata: each arm has its share of every stratum"
        NONE = "none", "none: by hash alone"

    class Metric(models.TextChoices):
        """What is counted for a unit of randomisation."""

        PROFIT = "profit", "profit"
        REVENUE = "revenue", "revenue"
        UNITS = "units", "units sold"
        CONVERSION = "conversion", "conversion: units of randomisation that bought, of those exposed"
        REVENUE_PER_ORDER = "revenue_per_order", "revenue per order"

    class Method(models.TextChoices):
        """How often it may be looked at, and what a look costs."""

        SPENDING = "spending", "alpha spending: looks on a horizon that is set before"
        ALWAYS_VALID = "always_valid", "always valid: any look, any horizon"
        BAYESIAN = "bayesian", "Bayesian: probability to beat, with a prior"
        FIXED = "fixed", "one look, at the horizon"

    class Spending(models.TextChoices):
        """How much alpha is spent by when."""

        OBRIEN_FLEMING = "obrien_fleming", "Lan–DeMets O'Brien–Fleming: little at first"
        POCOCK = "pocock", "Lan–DeMets Pocock: alike at every look"
        POWER_3 = "power_3", "power family, t³"

    class Decision(models.TextChoices):
        """What came of it."""

        PROMOTED = "promoted", "an arm's prices became the prices in force"
        KEPT = "kept", "the prices in force stay"
        INCONCLUSIVE = "inconclusive", "it could not be said"

    code = models.SlugField(max_length=64, unique=True, help_text="As the storefront's answers name it.")
    name = models.CharField(max_length=200)
    hypothesis = models.TextField(help_text="What is expected, and why: read again when it is decided.")
    channel = models.ForeignKey("catalog.Channel", on_delete=models.PROTECT, related_name="+")
    layer = models.ForeignKey(ExperimentLayer, on_delete=models.PROTECT, related_name="experiments")
    first_bucket = models.PositiveSmallIntegerField(
        default=0, help_text="Of the layer's 10,000 buckets, into which its salt puts every unit: the first it takes."
    )
    buckets = models.PositiveSmallIntegerField(
        default=SHARES, help_text="How many buckets from there: others of the layer take others, at the same time too."
    )
    category = models.ForeignKey(
        "catalog.Category",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Its listings only. Empty: every listing of the channel.",
    )
    design = models.CharField(max_length=16, choices=Design, default=Design.SKU)
    matching = models.CharField(max_length=8, choices=Matching, default=Matching.PAIRS)
    metric = models.CharField("primary metric", max_length=24, choices=Metric, default=Metric.PROFIT)
    method = models.CharField(max_length=16, choices=Method, default=Method.SPENDING)
    spending = models.CharField(max_length=16, choices=Spending, default=Spending.OBRIEN_FLEMING)
    horizon_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(366)],
        help_text="Empty: open-ended, which only always valid and Bayesian readings allow.",
    )
    minimum_effect = models.DecimalField(
        max_digits=6,
        decimal_places=4,
        validators=[MinValueValidator(0)],
        help_text="The smallest effect worth finding, as a share of the control's metric: 0.05 is 5 %.",
    )
    alpha = models.DecimalField(max_digits=5, decimal_places=4, default="0.05", help_text="Two-sided.")
    power = models.DecimalField(max_digits=4, decimal_places=3, default="0.8")
    cuped_days = models.PositiveSmallIntegerField(
        default=28, help_text="Days before the start whose metric is the covariate of CUPED; 0: none."
    )
    winsor_quantile = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="A unit's values above this quantile of the days before the start are cut to it; empty: none is.",
    )
    slot_seconds = models.PositiveIntegerField(null=True, blank=True, help_text="Of a switchback: length of a slot.")
    washout_seconds = models.PositiveIntegerField(
        default=0, help_text="Of a switchback: what happens this soon after a slot begins is not counted."
    )
    discloses_personalisation = models.BooleanField(
        default=False, help_text="The storefront shows the disclosure beside every price: a visitor design asks for it."
    )
    disclosure = models.TextField(blank=True, help_text="The words that are shown.")
    plan = models.JSONField(null=True, editable=False, help_text="As it was registered, with what the planner found.")
    salt = models.CharField(max_length=64, default=new_salt, editable=False)
    status = models.CharField(max_length=12, choices=Status, default=Status.DRAFT, editable=False)
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=150, editable=False)
    submitted_at = models.DateTimeField(null=True, editable=False)
    submitted_by = models.CharField(max_length=150, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    started_by = models.CharField(max_length=150, blank=True, editable=False)
    stopped_at = models.DateTimeField(null=True, editable=False)
    stopped_by = models.CharField(max_length=150, blank=True, editable=False)
    stop_reason = models.CharField(max_length=300, blank=True, editable=False)
    decided_at = models.DateTimeField(null=True, editable=False)
    decided_by = models.CharField(max_length=150, blank=True, editable=False)
    decision = models.CharField(max_length=16, choices=Decision, blank=True, editable=False)
    promoted_arm = models.ForeignKey(
        "experiments.ExperimentArm", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        verbose_name = "price experiment"
        constraints = [
            models.CheckConstraint(
                condition=Q(buckets__gt=0, first_bucket__lte=SHARES - F("buckets")),
                name="price_experiment_buckets",
                violation_error_message="A layer has 10,000 buckets: take one or more, from 0 to 9,999.",
            ),
            models.CheckConstraint(
                condition=Q(alpha__gt=0, alpha__lte=0.5),
                name="price_experiment_alpha",
                violation_error_message="Alpha must be above 0 and at most 0.5: 0.05 is usual.",
            ),
            models.CheckConstraint(
                condition=Q(power__gte=0.5, power__lt=1),
                name="price_experiment_power",
                violation_error_message="Power must be 0.5 or more and below 1: 0.8 is usual.",
            ),
            models.CheckConstraint(
                condition=Q(minimum_effect__gt=0),
                name="price_experiment_effect",
                violation_error_message="The minimum effect must be above 0.",
            ),
            models.CheckConstraint(
                condition=Q(horizon_days__isnull=False) | Q(method__in=["always_valid", "bayesian"]),
                name="price_experiment_horizon",
                violation_error_message="Alpha spending and a single look need a horizon in days.",
            ),
            models.CheckConstraint(
                condition=Q(
                    design="switchback",
                    slot_seconds__isnull=False,
                    slot_seconds__gte=60,
                    washout_seconds__lt=F("slot_seconds"),
                )
                | (~Q(design="switchback") & Q(slot_seconds__isnull=True, washout_seconds=0)),
                name="price_experiment_slots",
                violation_error_message="A switchback, and only it, has slots: 60 s or more, longer than the wash-out.",
            ),
            models.CheckConstraint(
                condition=~Q(design="visitor") | (Q(discloses_personalisation=True) & ~Q(disclosure="")),
                name="price_experiment_visitor_disclosed",
                violation_error_message="A price by visitor must be disclosed: tick it and give the words.",
            ),
            models.CheckConstraint(
                condition=Q(winsor_quantile__isnull=True) | Q(winsor_quantile__gt=0.5, winsor_quantile__lt=1),
                name="price_experiment_winsor",
                violation_error_message="The quantile must be above 0.5 and below 1: 0.99 is usual.",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "review", "withdrawn"], started_at__isnull=True)
                | Q(status="running", started_at__isnull=False, plan__isnull=False, stopped_at__isnull=True)
                | Q(status="stopped", stopped_at__isnull=False, decided_at__isnull=True)
                | Q(status="decided", decided_at__isnull=False),
                name="price_experiment_life",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ExperimentArm(models.Model):
    """One arm; position 0 is the control, which is the price in force."""

    experiment = models.ForeignKey(PriceExperiment, on_delete=models.CASCADE, related_name="arms")
    position = models.PositiveSmallIntegerField()
    name = models.SlugField(max_length=32)
    share = models.PositiveSmallIntegerField(help_text="Basis points of the units; the arms sum to 10,000.")
    price_change = models.DecimalField(
        max_digits=6,
        decimal_places=4,
        default=0,
        help_text="Against the price in force, as a share: −0.05 is 5 % cheaper; 0 in the control.",
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "position"], name="experiment_arm_position_once"),
            models.UniqueConstraint(fields=["experiment", "name"], name="experiment_arm_name_once"),
            models.CheckConstraint(condition=Q(share__gt=0, share__lte=SHARES), name="experiment_arm_share"),
            models.CheckConstraint(
                condition=Q(position=0, price_change=0) | Q(position__gt=0, price_change__gt=-1, price_change__lt=1),
                name="experiment_arm_change",
                violation_error_message="The control changes nothing; another arm by a share between −1 and 1.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class GuardrailMetric(models.Model):
    """A metric that stops the experiment by itself once an arm is surely worse in it than is tolerated."""

    experiment = models.ForeignKey(PriceExperiment, on_delete=models.CASCADE, related_name="guardrails")
    metric = models.CharField(max_length=24, choices=PriceExperiment.Metric)
    tolerated_loss = models.DecimalField(
        max_digits=5, decimal_places=4, help_text="As a share of the control's metric: 0.1 is 10 % less."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experiment", "metric"], name="guardrail_metric_once"),
            models.CheckConstraint(
                condition=Q(tolerated_loss__gte=0, tolerated_loss__lt=1), name="guardrail_metric_loss"
            ),
        ]

    def __str__(self) -> str:
        return self.get_metric_display()
