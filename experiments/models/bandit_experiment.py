"""Which policy decides where: a champion, and challengers that each decide a share of the same stream."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from experiments.stats.policy_names import DEFAULT_POLICY, POLICY_LABELS

POLICY_CHOICES = list(POLICY_LABELS.items())
LEAST_CHAMPION_SHARE = 10


class BanditExperiment(models.Model):
    """The policies of the listings of a channel, or of one of its categories, whose row wins."""

    class Worth(models.TextChoices):
        PRICE = "price", "price: earn the most revenue"
        MARGIN = "margin", "price − unit cost: earn the most profit"

    channel = models.ForeignKey("catalog.Channel", on_delete=models.CASCADE, related_name="+")
    category = models.ForeignKey(
        "catalog.Category",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty: every category of the channel without a row of its own.",
    )
    champion = models.CharField(
        max_length=32,
        choices=POLICY_CHOICES,
        default=DEFAULT_POLICY,
        help_text="Decides all that no challenger does.",
    )
    worth = models.CharField("what a purchase is worth", max_length=8, choices=Worth, default=Worth.PRICE)

    class Meta:
        verbose_name = "bandit experiment"
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "category"],
                nulls_distinct=False,
                name="bandit_once_per_scope",
                violation_error_message="These listings have an experiment already: edit that one.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_champion_display()}"


class Challenger(models.Model):
    """A policy that decides a share of the events, drawn by the event's id; all policies learn from all outcomes."""

    experiment = models.ForeignKey(BanditExperiment, on_delete=models.CASCADE, related_name="challengers")
    policy = models.CharField(max_length=32, choices=POLICY_CHOICES)
    share = models.PositiveSmallIntegerField(
        "share, %",
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(100 - LEAST_CHAMPION_SHARE)],
        help_text="Of the events, in per cent. All challengers together leave the champion at least 10.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "policy"],
                name="challenger_once",
                violation_error_message="This policy challenges here already: edit its share.",
            ),
            models.CheckConstraint(
                condition=Q(share__gte=1, share__lte=100 - LEAST_CHAMPION_SHARE), name="challenger_share_sane"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_policy_display()}, {self.share} %"
