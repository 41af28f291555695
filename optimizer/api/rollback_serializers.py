"""What the rollback endpoints take and show."""

from typing import Any

from rest_framework import serializers

from catalog.models import RolledBackPrice, RunRollback
from catalog.money import amount_text
from catalog.services.roll_back import MAX_REASON


class RollBackSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=MAX_REASON, help_text="Why; it stands in the ledger.")


class RollbackSerializer(serializers.ModelSerializer[RunRollback]):
    author = serializers.CharField(source="author.username", default=None, allow_null=True)

    class Meta:
        model = RunRollback
        fields = ["run_id", "author", "reason", "rolled_back_at", "restored", "changed_since", "refused"]


class RolledBackPriceSerializer(serializers.ModelSerializer[RolledBackPrice]):
    sku = serializers.CharField(source="listing.product.sku")
    currency = serializers.CharField(source="listing.channel.currency")
    run_price = serializers.SerializerMethodField(help_text="The price that the run published.")
    prior_price = serializers.SerializerMethodField(help_text="The price before it.")

    outcome = serializers.CharField(help_text="`restored`, `changed_since` or `refused`.")

    class Meta:
        model = RolledBackPrice
        fields = ["sku", "currency", "run_price", "prior_price", "outcome", "reason"]

    def get_run_price(self, row: RolledBackPrice) -> str:
        return amount_text(row.run_price, row.listing.channel.currency_exponent)

    def get_prior_price(self, row: RolledBackPrice) -> str:
        return amount_text(row.prior_price, row.listing.channel.currency_exponent)
