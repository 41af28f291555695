from django.db import models
from django.db.models import F, Q


class LedgerPurge(models.Model):
    """Old rows that were taken out of the ledger, of a range of listings. Append-only, by a database trigger."""

    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=150, help_text="Who had it done.")
    cut_off = models.DateTimeField(help_text="Every price in force at or after it can still be judged.")
    first_listing = models.BigIntegerField()
    last_listing = models.BigIntegerField()
    rows = models.PositiveBigIntegerField(help_text="Number of rows removed.")
    digest = models.CharField(max_length=64, help_text="SHA-256 over listing, version and hash of each row removed.")

    class Meta:
        verbose_name = "purge of old prices"
        verbose_name_plural = "purges of old prices"
        constraints = [
            models.CheckConstraint(condition=Q(first_listing__lte=F("last_listing")), name="ledger_purge_range"),
        ]
        indexes = [models.Index(fields=["first_listing", "last_listing"], name="ledger_purge_listings")]

    def __str__(self) -> str:
        return f"{self.rows} rows before {self.cut_off}"
