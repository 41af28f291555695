from django.conf import settings
from django.db import models
from django.db.models import F, Q

from catalog.models.listing import Listing, PriceSource
from catalog.models.money import MoneyField


class PriceChange(models.Model):
    """One published price: audit trail, price history and outbox in one row. Append-only, by a database trigger."""

    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="price_changes", db_index=False)
    version = models.PositiveBigIntegerField(help_text="1, 2, 3 … within the listing; the ETag of the price.")
    price = MoneyField()
    previous_price = MoneyField(null=True)
    prior_price = MoneyField(help_text="Lowest price applied in the 30 days before this change (98/6/EC Art. 6a).")
    valid_from = models.DateTimeField()

    source = models.CharField(max_length=16, choices=PriceSource)
    reason = models.CharField(max_length=300, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="The second person, where one was needed.",
    )
    run_id = models.UUIDField(null=True)
    idempotency_key = models.CharField(max_length=120, help_text="The same decision is published once.")

    floor = MoneyField(null=True, help_text="Hard floor at publish time: cost, margin, MAP. Empty: cost unknown.")
    binding_rule = models.CharField(max_length=32, blank=True)
    explanation = models.JSONField(default=dict, help_text="Inputs with times, model, candidate and clamp trail.")
    personalised = models.BooleanField(default=False, help_text="Whether personal data was used.")

    # By a database trigger, whatever a writer says: SHA-256 of the hash before and of all other columns.
    previous_hash = models.BinaryField(max_length=32, db_default=b"", editable=False)
    row_hash = models.BinaryField(max_length=32, db_default=b"", editable=False)

    class Meta:
        verbose_name_plural = "price ledger"
        constraints = [
            models.UniqueConstraint(fields=["listing", "version"], name="ledger_version_once"),
            models.UniqueConstraint(fields=["listing", "idempotency_key"], name="ledger_decision_once"),
            models.CheckConstraint(condition=Q(price__gt=0), name="ledger_price_positive"),
            models.CheckConstraint(
                condition=Q(floor__isnull=True) | Q(price__gte=F("floor")), name="ledger_price_not_below_floor"
            ),
        ]
        indexes = [
            models.Index(fields=["listing", "-valid_from"], name="ledger_history"),
            models.Index(fields=["run_id"], name="ledger_run"),
            models.Index(fields=["source", "-id"], name="ledger_source"),
            models.Index(fields=["author"], name="ledger_author", condition=Q(author__isnull=False)),
            models.Index(fields=["approved_by"], name="ledger_approved_by", condition=Q(approved_by__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} v{self.version}: {self.price}"
