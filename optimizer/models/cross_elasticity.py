from django.db import models
from django.db.models import F, Q


class CrossElasticity(models.Model):
    """What a training job learned of one listing's demand in another's price; pairs that its data support only."""

    job = models.ForeignKey(
        "optimizer.TrainingJob",
        on_delete=models.CASCADE,
        related_name="pairs",
        db_index=False,
        help_text="Who learned it; the newest one that is done counts.",
    )
    listing = models.ForeignKey(
        "catalog.Listing", on_delete=models.CASCADE, related_name="+", help_text="Whose demand."
    )
    other = models.ForeignKey("catalog.Listing", on_delete=models.CASCADE, related_name="+", help_text="Whose price.")
    mean = models.FloatField(help_text="Posterior mean of dlnQ/dlnp; positive: they are substitutes.")
    sd = models.FloatField(help_text="Posterior standard deviation.")
    probability = models.FloatField(help_text="That one's price moves the other's demand at all.")

    class Meta:
        verbose_name_plural = "cross elasticities"
        constraints = [
            # Its index also finds the pairs of a job, and those of a listing in it.
            models.UniqueConstraint(fields=["job", "listing", "other"], name="cross_once_per_job"),
            models.CheckConstraint(condition=~Q(listing=F("other")), name="cross_of_two_listings"),
            models.CheckConstraint(condition=Q(sd__gt=0), name="cross_sd_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} in the price of {self.other_id}: {self.mean:.2f} ± {self.sd:.2f}"
