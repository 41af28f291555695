from django.conf import settings
from django.db import models

from catalog.models.listing import Listing
from catalog.models.money import MoneyField


class RunRollback(models.Model):
    """One run rolled back: by whom, when, why, and what came of it. A run is rolled back once."""

    run_id = models.UUIDField(unique=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300)
    rolled_back_at = models.DateTimeField()
    restored = models.PositiveIntegerField(default=0)
    changed_since = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"rollback of {self.run_id}"


class RolledBackPrice(models.Model):
    """What a rollback did with one price of the run: restored the one before, or left it, and why."""

    class Outcome(models.TextChoices):
        RESTORED = "restored"
        CHANGED_SINCE = "changed_since", "changed since"
        REFUSED = "refused"

    rollback = models.ForeignKey(RunRollback, on_delete=models.CASCADE, related_name="prices", db_index=False)
    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="+")
    outcome = models.CharField(max_length=16, choices=Outcome)
    reason = models.CharField(max_length=64, blank=True, help_text="Why the gate refused the prior price.")
    run_price = MoneyField(help_text="The price that the run published.")
    prior_price = MoneyField(help_text="The price before it.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rollback", "listing"], name="rolled_back_once")]
        indexes = [models.Index(fields=["rollback", "id"], name="rolled_back_page")]

    def __str__(self) -> str:
        return f"{self.listing_id}: {self.outcome}"
