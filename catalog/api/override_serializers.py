"""What the override endpoints take and show. Money is a decimal string beside its currency, times are UTC."""

from typing import Any

from rest_framework import serializers

from catalog.models import PriceOverride
from catalog.models.listing import PriceSource
from catalog.models.price_override import OverrideKind, OverrideStatus
from catalog.money import amount_text
from catalog.override_requests import REASON_LENGTH
from catalog.selectors.price_groups import broken_group_names

TIME_HELP = (
    "ISO 8601. With an offset it is that moment; without one it is what the clock of time_zone shows. "
    "A time that the clock shows twice or never is refused with the cure."
)


class OverrideRequestSerializer(serializers.Serializer[Any]):
    """Only the shape: what the texts mean is read where forms and files are read too."""

    sku = serializers.CharField(max_length=64)
    channel = serializers.SlugField(required=False, max_length=64, help_text="Defaults to the shop's default channel.")
    price = serializers.CharField(help_text="Decimal string in the channel's currency.")
    kind = serializers.ChoiceField(
        choices=OverrideKind.choices,
        default=OverrideKind.OVERRIDE,
        help_text="A promotion must be below the price that it replaces.",
    )
    reason = serializers.CharField(max_length=REASON_LENGTH)
    starts_at = serializers.CharField(
        required=False, allow_null=True, max_length=64, help_text=f"{TIME_HELP} Left out: at once."
    )
    ends_at = serializers.CharField(
        required=False, allow_null=True, max_length=64, help_text=f"{TIME_HELP} Not included. Left out: open."
    )
    time_zone = serializers.CharField(
        required=False, max_length=64, help_text="IANA name, such as Europe/London; needed for times without an offset."
    )


class OverrideSerializer(serializers.ModelSerializer[PriceOverride]):
    sku = serializers.CharField(source="listing.product.sku")
    channel = serializers.CharField(source="listing.channel.code")
    currency = serializers.CharField(source="listing.channel.currency")
    kind = serializers.ChoiceField(choices=OverrideKind.choices)
    price = serializers.SerializerMethodField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True, help_text="Not included; null: open.")
    status = serializers.ChoiceField(choices=OverrideStatus.choices)
    refused_because = serializers.SerializerMethodField(help_text="The gate's reason, missed or not_a_reduction.")
    author = serializers.CharField(source="author.username", default=None, allow_null=True)
    replaced_price = serializers.SerializerMethodField()
    replaced_source = serializers.SerializerMethodField()

    class Meta:
        model = PriceOverride
        fields = [
            "id", "sku", "channel", "kind", "price", "currency", "reason", "author", "starts_at", "ends_at",
            "time_zone", "status", "refused_because", "outcome", "created_at", "started_at", "ended_at",
            "published_version", "replaced_price", "replaced_source",
        ]  # fmt: skip

    def get_price(self, override: PriceOverride) -> str:
        return amount_text(override.price, override.listing.channel.currency_exponent)

    def get_replaced_price(self, override: PriceOverride) -> str | None:
        if override.replaced_price is None:
            return None
        return amount_text(override.replaced_price, override.listing.channel.currency_exponent)

    def get_replaced_source(self, override: PriceOverride) -> str | None:
        return PriceSource(override.replaced_source).value if override.replaced_source else None

    def get_refused_because(self, override: PriceOverride) -> str | None:
        return override.refused_because or None


class OneOverrideSerializer(OverrideSerializer):
    """One override, with what its price does to families and ladders."""

    broken_relations = serializers.SerializerMethodField(
        help_text="Of a price in force: the families and ladders that it leaves broken, by name."
    )

    class Meta(OverrideSerializer.Meta):
        fields = [*OverrideSerializer.Meta.fields, "broken_relations"]

    def get_broken_relations(self, override: PriceOverride) -> list[str]:
        return broken_group_names(override.listing) if override.status == OverrideStatus.ACTIVE else []
