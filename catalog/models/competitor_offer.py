from django.db import models
from django.db.models import Q

from catalog.models.listing import Listing
from catalog.models.money import MoneyField


class CompetitorOffer(models.Model):
    """What a competitor asked for a listing at a moment. Append-only, by a database trigger; CompetitorPrice holds the
    newest."""

    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="competitor_offers", db_index=False)
    competitor = models.CharField(max_length=100)
    price = MoneyField()
    observed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "competitors' offers"
        constraints = [
            models.UniqueConstraint(fields=["listing", "competitor", "observed_at"], name="competitor_offer_once"),
            models.CheckConstraint(condition=Q(price__gt=0), name="competitor_offer_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.competitor}: {self.price} on {self.observed_at:%Y-%m-%d}"
