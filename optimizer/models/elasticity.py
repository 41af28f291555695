from django.conf import settings
from django.db import models
from django.db.models import Q


class ElasticityFit(models.Model):
    """One fit of all listings of a channel, a version of its model: what it read, how, and how well it did.

    The one that was promoted last is live: runs price with it.
    """

    class Method(models.TextChoices):
        INDEPENDENT = "independent", "each SKU for itself, with a fixed prior"
        HIERARCHICAL = "hierarchical", "SKUs share what they know with their category"

    channel = models.ForeignKey("catalog.Channel", on_delete=models.PROTECT, related_name="+")
    fingerprint = models.CharField(
        max_length=64, help_text="SHA-256 of the sales read and of the configuration: the same work is done once."
    )
    method = models.CharField(max_length=16, choices=Method, default=Method.INDEPENDENT, db_default=Method.INDEPENDENT)
    config = models.JSONField()
    data_from = models.DateField()
    data_to = models.DateField(help_text="Last week read.")
    created_at = models.DateTimeField()
    seconds = models.FloatField()
    device = models.CharField(max_length=32)
    diagnostics = models.JSONField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    verdict = models.JSONField(
        default=dict, db_default={}, help_text="How it did on held-out weeks against the model that was live then."
    )
    promoted_at = models.DateTimeField(null=True, help_text="When it went live; empty: it never did.")
    promoted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        get_latest_by = "created_at"
        constraints = [models.UniqueConstraint(fields=["channel", "fingerprint"], name="fit_once")]
        indexes = [models.Index(fields=["channel", "-promoted_at"], name="fit_live")]

    def __str__(self) -> str:
        return f"elasticity-{self.pk}"


class ElasticityEstimate(models.Model):
    """Posterior of one listing's own-price elasticity (signed) and of its weekly demand at the reference price."""

    fit = models.ForeignKey(ElasticityFit, on_delete=models.CASCADE, related_name="estimates")
    listing = models.ForeignKey("catalog.Listing", on_delete=models.CASCADE, related_name="+")
    mean = models.FloatField(help_text="Posterior mean of e = dlnQ/dlnp; negative.")
    sd = models.FloatField(help_text="Posterior standard deviation.")
    reference_price = models.FloatField(help_text="Price at which base demand is stated.")
    base_demand = models.FloatField(help_text="Expected units a week at the reference price.")
    log_demand_sd = models.FloatField(help_text="Posterior sd of the log of base demand.")
    weeks = models.PositiveSmallIntegerField(help_text="Weeks with sales.")
    log_price_sd = models.FloatField(help_text="How much the price moved in the data.")
    residual_sd = models.FloatField()
    r2 = models.FloatField()
    shrinkage = models.FloatField(help_text="1 - sd²/prior sd²: 0 means that the data said nothing, 1 everything.")
    informed = models.BooleanField(help_text="Whether the data moved the prior at all.")
    note = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["fit", "listing"], name="estimate_once_per_fit"),
            models.CheckConstraint(condition=Q(sd__gt=0), name="estimate_sd_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id}: {self.mean:.2f} ± {self.sd:.2f}"
