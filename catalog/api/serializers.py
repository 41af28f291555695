"""What the price endpoints take and show. Money is a decimal string beside its currency."""

from typing import Any

from rest_framework import serializers

from catalog.arms import REGION_PATTERN
from catalog.models import PriceChange
from catalog.models.listing import PriceSource
from catalog.money import amount_text

MAX_BATCH = 1000


class PriorPriceWindowSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField(help_text="Midnight where the shop sells.")
    end = serializers.DateTimeField(help_text="When the reduction began.")


class ServedPriceSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField()
    channel = serializers.CharField()
    price = serializers.CharField(help_text="Decimal string.")
    currency = serializers.CharField()
    list_price = serializers.CharField()
    version = serializers.IntegerField(help_text="0 while only the list price exists; also the ETag.")
    valid_until = serializers.DateTimeField(help_text="Ask again after this time.")
    source = serializers.ChoiceField(choices=PriceSource.choices)  # type: ignore[assignment]  # a field, not its option
    binding_rule = serializers.CharField(allow_null=True)
    decision_id = serializers.CharField(allow_null=True)
    prior_price = serializers.CharField(help_text="Lowest price of the 30 days before the reduction (98/6/EC Art. 6a).")
    prior_price_window = PriorPriceWindowSerializer(
        allow_null=True, help_text="Of which that is the lowest price; null while the price is not reduced."
    )
    reduction_may_be_announced = serializers.BooleanField(
        allow_null=True, help_text="Whether the price is below the prior price; null where the country has no rule."
    )
    reduction_percent = serializers.IntegerField(
        allow_null=True, help_text="Below the prior price, rounded down; null unless it may be announced."
    )
    personalised = serializers.BooleanField(help_text="Whether personal data was used.")
    disclosure = serializers.CharField(allow_null=True, help_text="To be shown beside a personalised price.")
    assumed = serializers.ListField(child=serializers.CharField(), help_text="Facts made up for the demo.")
    experiment = serializers.CharField(allow_null=True, help_text="The experiment that the price belongs to.")
    arm = serializers.CharField(allow_null=True, help_text="Its arm, drawn by SKU, region or time, never by visitor.")


class PriceBatchRequestSerializer(serializers.Serializer[Any]):
    skus = serializers.ListField(
        child=serializers.CharField(max_length=64),
        min_length=1,
        max_length=MAX_BATCH,
        help_text=f"1 to {MAX_BATCH} SKUs.",
    )
    channel = serializers.SlugField(required=False, max_length=64, help_text="Defaults to the shop's default channel.")
    region = serializers.RegexField(
        f"^{REGION_PATTERN}\\Z", required=False, help_text="A place, for experiments that try prices by region."
    )


class PriceBatchSerializer(serializers.Serializer[Any]):
    prices = ServedPriceSerializer(many=True)
    unknown_skus = serializers.ListField(child=serializers.CharField())


class ProductSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField(source="product.sku")
    name = serializers.CharField(source="product.name")
    category = serializers.CharField(source="product.category.code", allow_null=True, default=None)
    channel = serializers.CharField(source="channel.code")
    currency = serializers.CharField(source="channel.currency")
    price = serializers.SerializerMethodField()
    list_price = serializers.SerializerMethodField()
    version = serializers.IntegerField(source="price_version")

    def get_price(self, listing: Any) -> str:
        return amount_text(listing.price_in_force, listing.channel.currency_exponent)

    def get_list_price(self, listing: Any) -> str:
        return amount_text(listing.list_price, listing.channel.currency_exponent)


class PriceChangeSerializer(serializers.ModelSerializer[PriceChange]):
    price = serializers.SerializerMethodField()
    previous_price = serializers.SerializerMethodField()
    prior_price = serializers.SerializerMethodField()
    currency = serializers.CharField(source="listing.channel.currency")
    decision_id = serializers.CharField(source="pk")
    author = serializers.CharField(source="author.username", default=None, allow_null=True)

    approved_by = serializers.CharField(source="approved_by.username", default=None, allow_null=True)

    class Meta:
        model = PriceChange
        fields = [
            "decision_id", "version", "price", "previous_price", "prior_price", "currency", "valid_from", "source",
            "binding_rule", "reason", "author", "approved_by", "run_id", "personalised",
        ]  # fmt: skip

    def get_price(self, change: PriceChange) -> str:
        return amount_text(change.price, change.listing.channel.currency_exponent)

    def get_previous_price(self, change: PriceChange) -> str | None:
        if change.previous_price is None:
            return None
        return amount_text(change.previous_price, change.listing.channel.currency_exponent)

    def get_prior_price(self, change: PriceChange) -> str:
        return amount_text(change.prior_price, change.listing.channel.currency_exponent)
