"""What the quote endpoints take and show. Money is a decimal string beside its currency."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.arms import REGION_PATTERN
from catalog.quotes import Purpose
from catalog.services.quotes import NoPrice, QuoteStatus

MAX_QUOTES = 100


@extend_schema_field(OpenApiTypes.STR)
class TokenField(serializers.Field[str, Any, Any, Any]):
    """Any text at all: what is no token is tampered, and does not spoil the call for the tokens beside it."""

    default_error_messages = {"invalid": "A token is a text, as POST /api/v1/quotes returned it."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class QuoteRequestSerializer(serializers.Serializer[Any]):
    skus = serializers.ListField(
        child=serializers.CharField(max_length=64),
        min_length=1,
        max_length=MAX_QUOTES,
        help_text=f"1 to {MAX_QUOTES} SKUs.",
    )
    channel = serializers.SlugField(required=False, help_text="Defaults to the shop's default channel.")
    purpose = serializers.ChoiceField(
        choices=[purpose.value for purpose in Purpose], help_text="How long it holds: for the page or for the cart."
    )
    region = serializers.RegexField(
        f"^{REGION_PATTERN}\\Z", required=False, help_text="A place, for experiments that try prices by region."
    )
    page_tokens = serializers.ListField(
        child=TokenField(),
        required=False,
        max_length=MAX_QUOTES,
        help_text="Page quotes that the shopper was shown: a cart quote costs no more than one that still holds.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("page_tokens") and attrs["purpose"] != Purpose.CART:
            raise serializers.ValidationError(
                {"page_tokens": ["Only a quote for the cart takes page quotes over: leave it out, or ask for a cart."]}
            )
        return attrs


class QuoteSerializer(serializers.Serializer[Any]):
    quote_id = serializers.CharField()
    sku = serializers.CharField()
    channel = serializers.CharField()
    region = serializers.CharField(allow_null=True)
    purpose = serializers.ChoiceField(choices=[purpose.value for purpose in Purpose])
    price = serializers.CharField(help_text="Decimal string.")
    currency = serializers.CharField()
    version = serializers.IntegerField(help_text="Version of the price that was quoted.")
    decision_id = serializers.CharField(allow_null=True)
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="The price holds until just before this time.")


class IssuedQuoteSerializer(QuoteSerializer):
    token = serializers.CharField(help_text="The quote, signed: keep it as it is.")

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {**QuoteSerializer(instance.quote).data, "token": instance.token}


class QuoteListSerializer(serializers.Serializer[Any]):
    quotes = IssuedQuoteSerializer(many=True)
    unknown_skus = serializers.ListField(child=serializers.CharField())


class VerifyRequestSerializer(serializers.Serializer[Any]):
    tokens = serializers.ListField(
        child=TokenField(), min_length=1, max_length=MAX_QUOTES, help_text=f"1 to {MAX_QUOTES} tokens."
    )


class CurrentPriceSerializer(serializers.Serializer[Any]):
    price = serializers.CharField(help_text="Decimal string.")
    currency = serializers.CharField()
    version = serializers.IntegerField()
    decision_id = serializers.CharField(allow_null=True)


class VerifiedQuoteSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=[status.value for status in QuoteStatus])
    reason = serializers.ChoiceField(
        choices=[reason.value for reason in NoPrice],
        allow_null=True,
        help_text="Why there is no price to charge though the quote could be read.",
    )
    price = serializers.CharField(
        allow_null=True,
        help_text="What to charge: the lower of quoted and current price while valid, the current price when expired.",
    )
    currency = serializers.CharField(allow_null=True)
    quoted = QuoteSerializer(allow_null=True)
    current = CurrentPriceSerializer(allow_null=True)


class VerificationSerializer(serializers.Serializer[Any]):
    results = VerifiedQuoteSerializer(many=True)
