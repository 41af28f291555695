import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from catalog.models.money import MoneyField
from optimizer.models.elasticity import ElasticityFit


class OptimizationRun(models.Model):
    """One batch optimisation of a channel, from opening to published prices."""

    class Status(models.TextChoices):
        OPEN = "open"
        RUNNING = "running"
        PUBLISHING = "publishing"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        HELD = "held", "held by a guard number"
        CANARY = "canary", "some prices published, the rest waits"

    class Objective(models.TextChoices):
        PROFIT = "profit"
        REVENUE = "revenue"
        MARKET_SHARE = "market_share", "market share"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.ForeignKey("catalog.Channel", on_delete=models.PROTECT, related_name="+")
    fit = models.ForeignKey(ElasticityFit, on_delete=models.PROTECT, related_name="runs")
    objective = models.CharField(max_length=16, choices=Objective)
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN)
    key = models.CharField(max_length=200, unique=True, help_text="The same key opens the same run.")
    publishes = models.BooleanField(default=True, help_text="Off for a dry run: recommendations only.")
    canary_share = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        help_text="Share of the prices that is published first, a fraction; the rest waits for somebody's word.",
    )
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    groups_solved_at = models.DateTimeField(null=True, help_text="When related products got their joint prices.")
    group_attempts = models.PositiveSmallIntegerField(default=0, help_text="How often that was begun.")
    goals = models.JSONField(default=dict, help_text="What is asked of all prices together, as it was at the opening.")
    publishing_since = models.DateTimeField(null=True, help_text="When its parts began to wait for the gate.")
    related_published_at = models.DateTimeField(null=True, help_text="When families and ladders went to the gate.")
    related_publish_attempts = models.PositiveSmallIntegerField(default=0, help_text="How often that was begun.")
    released_at = models.DateTimeField(null=True, help_text="When somebody had the rest of a canary published.")
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    portfolio_solved_at = models.DateTimeField(null=True, help_text="When prices were chosen for these goals.")
    portfolio_attempts = models.PositiveSmallIntegerField(default=0, help_text="How often that was begun.")
    portfolio = models.JSONField(default=dict, help_text="The certificate: value, bound, gap; what each goal costs.")
    finished_at = models.DateTimeField(null=True)
    device = models.CharField(max_length=32, blank=True)
    guard_numbers = models.JSONField(default=dict, help_text="Counts, share of prices changed, expected shifts.")
    error = models.TextField(blank=True)

    class Meta:
        verbose_name = "optimisation run"
        get_latest_by = "created_at"
        indexes = [models.Index(fields=["-created_at"], name="run_newest")]

    def __str__(self) -> str:
        return f"{self.objective} {str(self.id)[:8]}"

    @property
    def is_publishing(self) -> bool:
        return self.status == self.Status.PUBLISHING

    @property
    def is_finished(self) -> bool:
        return self.status in {self.Status.SUCCEEDED, self.Status.FAILED, self.Status.HELD, self.Status.CANARY}


class RunLimits(models.Model):
    """How far one run may move a channel before its prices are held back; without a row nothing is held."""

    channel = models.OneToOneField("catalog.Channel", on_delete=models.CASCADE, related_name="+")
    max_share_changed = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Largest share of the priced SKUs whose price may change, as a fraction.",
    )
    max_skus_changed = models.PositiveIntegerField(
        null=True, blank=True, help_text="Largest number of SKUs whose price one run may change."
    )
    max_revenue_drop = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, blank=True, help_text="Largest expected fall of revenue, a fraction."
    )

    canary_share = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Share of a run's prices that is published first, a fraction; the rest waits for somebody's word.",
    )

    class Meta:
        verbose_name_plural = "run limits"

    def __str__(self) -> str:
        return f"limits of {self.channel_id}"


class RunChunk(models.Model):
    """A range of listings of a run: the unit of work of one task, done once however often it is delivered."""

    run = models.ForeignKey(OptimizationRun, on_delete=models.CASCADE, related_name="chunks")
    first_pk = models.BigIntegerField()
    last_pk = models.BigIntegerField()
    finished_at = models.DateTimeField(null=True)
    published_at = models.DateTimeField(null=True, help_text="When its prices went to the gate.")
    publish_attempts = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    seconds = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "first_pk"], name="chunk_once")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.first_pk}-{self.last_pk}"


class Recommendation(models.Model):
    """What a run proposes for one listing, or why it proposes nothing; and what the gate did with it."""

    class Outcome(models.TextChoices):
        WAITING = "waiting"
        PUBLISHED = "published"
        UNCHANGED = "unchanged"
        REFUSED = "refused"
        UNPRICED = "unpriced", "not priced"

    run = models.ForeignKey(OptimizationRun, on_delete=models.CASCADE, related_name="recommendations", db_index=False)
    listing = models.ForeignKey("catalog.Listing", on_delete=models.CASCADE, related_name="+")
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.WAITING)
    outcome_reason = models.CharField(max_length=64, blank=True)

    previous_price = MoneyField()
    price = MoneyField(null=True)
    binding_rule = models.CharField(max_length=32, blank=True)
    explanation = models.JSONField(default=dict)

    expected_demand = models.FloatField(null=True)
    expected_revenue = models.FloatField(null=True)
    expected_profit = models.FloatField(null=True)
    profit_p05 = models.FloatField(null=True)
    profit_p95 = models.FloatField(null=True)
    demand_before = models.FloatField(null=True)
    revenue_before = models.FloatField(null=True)
    profit_before = models.FloatField(null=True)
    profit_change_mean = models.FloatField(null=True)
    profit_change_sd = models.FloatField(null=True)
    probability_better = models.FloatField(null=True)
    revenue_change_sd = models.FloatField(null=True, help_text="Of simulations only.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "listing"], name="recommendation_once"),
            models.CheckConstraint(
                condition=Q(price__isnull=True, outcome="unpriced") | Q(price__gt=0),
                name="recommendation_priced_or_not",
            ),
        ]
        # A row that is published as it was meant to be is in no index but those of its keys.
        indexes = [
            models.Index(
                fields=["run", "outcome"],
                name="recommendation_not_published",
                condition=Q(outcome__in=["refused", "unpriced"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.listing_id}: {self.price}"

    @property
    def revenue_change_mean(self) -> float | None:
        if self.expected_revenue is None or self.revenue_before is None:
            return None
        return self.expected_revenue - self.revenue_before
