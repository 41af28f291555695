"""The holdout: listings that nothing automatic prices, so that what the engine earns can be measured against them."""

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from experiments.models.price_experiment import new_salt

MOST_SHARE = 5_000


class HoldoutPolicy(models.Model):
    """Which share of a channel's listings is held out, drawn by a salted hash; 0: none."""

    channel = models.OneToOneField("catalog.Channel", on_delete=models.CASCADE, related_name="+")
    share = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(MOST_SHARE)],
        help_text="Basis points of the listings: 500 is 5 %. At most half.",
    )
    salt = models.CharField(max_length=64, default=new_salt, editable=False)
    changed_at = models.DateTimeField(null=True, editable=False)
    changed_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        verbose_name = "holdout"
        constraints = [
            models.CheckConstraint(
                condition=Q(share__lte=MOST_SHARE),
                name="holdout_at_most_half",
                violation_error_message="Hold out at most half: 5,000 basis points.",
            )
        ]

    def __str__(self) -> str:
        return f"Holdout of channel {self.channel_id}"


class HoldoutListing(models.Model):
    """A listing whose price nothing automatic changes, from when until when."""

    listing = models.ForeignKey("catalog.Listing", on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["listing"], condition=Q(until__isnull=True), name="holdout_one_at_a_time"),
            models.CheckConstraint(
                condition=Q(until__isnull=True) | Q(until__gte=models.F("since")), name="holdout_ends_after_it_began"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} held out"
