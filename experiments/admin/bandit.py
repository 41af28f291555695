"""The bandit's admin pages: what it tries where, what it learned, what it could not use. Only its policy is edited."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from catalog.admin.base import PricingModelAdmin, ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import listing_name, product_cell
from catalog.admin.formatting import NOTHING, moment, money, number, percent
from experiments.models import BanditArm, BanditContext, DeadLetter, IntensityPolicy, PricingDecision, StreamOffset

SHOWN_BYTES = 20_000


class IntensityPolicyForm(forms.ModelForm):
    class Meta:
        model = IntensityPolicy
        fields = ("channel", "low", "high")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        low, high = cleaned.get("low"), cleaned.get("high")
        if low is not None and high is not None and low >= high:
            self.add_error("high", "High demand begins above where low demand ends: raise this or lower the other.")
        return cleaned


@admin.register(IntensityPolicy)
class IntensityPolicyAdmin(PricingModelAdmin):
    form = IntensityPolicyForm
    list_display = ("scope_column", "low_figure", "high_figure")
    list_select_related = ("channel",)
    autocomplete_fields = ("channel",)

    def name_of(self, row: IntensityPolicy) -> str:
        return f"Intensity, {row.channel.code if row.channel else 'every channel'}"

    @display(description="Applies to")
    def scope_column(self, policy: IntensityPolicy) -> str:
        return policy.channel.code if policy.channel else "every other channel"

    @display(description="Low below")
    def low_figure(self, policy: IntensityPolicy) -> str:
        return number(policy.low, decimals=3)

    @display(description="High above")
    def high_figure(self, policy: IntensityPolicy) -> str:
        return number(policy.high, decimals=3)


@admin.register(BanditContext)
class BanditContextAdmin(ReadOnlyAdmin, SearchBySku):
    list_display = ("product_column", "location", "intensity")
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel")
    list_filter = ("intensity",)

    def name_of(self, row: BanditContext) -> str:
        return f"{listing_name(row.listing)}, {row.location}, {row.get_intensity_display()} demand"

    @display(description="Product", header=True)
    def product_column(self, context: BanditContext) -> list[str]:
        return product_cell(context.listing)


class InContextAdmin(ReadOnlyAdmin, SearchBySku):
    """What rows of a context share: the product, where, at which demand, and a price."""

    search_fields = ("context__listing__product__sku",)
    list_display_links = ("product_column",)
    list_select_related = ("context__listing__product", "context__listing__channel")

    @display(description="Product", header=True)
    def product_column(self, row: BanditArm | PricingDecision) -> list[str]:
        return product_cell(row.context.listing)

    @display(description="Location")
    def location_column(self, row: BanditArm | PricingDecision) -> str:
        return row.context.location

    @display(description="Demand")
    def intensity_column(self, row: BanditArm | PricingDecision) -> str:
        return row.context.get_intensity_display()

    @display(description="Price")
    def price_figure(self, row: BanditArm | PricingDecision) -> str:
        return money(row.price, row.context.listing.channel)


@admin.register(BanditArm)
class BanditArmAdmin(InContextAdmin):
    list_display = (
        "product_column",
        "location_column",
        "intensity_column",
        "price_figure",
        "purchased_figure",
        "rejected_figure",
        "rate_figure",
    )
    list_filter = ("context__intensity",)

    def name_of(self, row: BanditArm) -> str:
        return f"{listing_name(row.context.listing)} at {row.price}"

    @display(description="Purchases")
    def purchased_figure(self, arm: BanditArm) -> str:
        return number(arm.alpha - 1)

    @display(description="Rejections")
    def rejected_figure(self, arm: BanditArm) -> str:
        return number(arm.beta - 1)

    @display(description="Buys, expected")
    def rate_figure(self, arm: BanditArm) -> str:
        return percent(arm.purchase_rate)


@admin.register(PricingDecision)
class PricingDecisionAdmin(InContextAdmin):
    list_display = (
        "product_column",
        "location_column",
        "intensity_column",
        "price_figure",
        "propensity_figure",
        "decided_column",
        "state_column",
    )
    list_filter = ("state",)
    ordering = ("-decided_at",)

    readonly_fields = ("on_offer", "replay")

    def name_of(self, row: PricingDecision) -> str:
        return f"Decision {str(row.decision_id)[:8]}"

    @admin.display(description="On offer")
    def on_offer(self, decision: PricingDecision) -> str:
        """The arms with their probabilities when the price was drawn."""
        offered = decision.choice_set
        if offered is None:
            return NOTHING
        channel = decision.context.listing.channel
        pairs = zip(offered.prices, offered.probabilities, strict=True)
        return ", ".join(f"{money(price, channel)} with {percent(probability)}" for price, probability in pairs)

    @admin.display(description="Replayed")
    def replay(self, decision: PricingDecision) -> str:
        price = decision.replayed_price
        if price is None:
            return "What was on offer was not kept then."
        channel = decision.context.listing.channel
        return "The same price" if price == decision.price else f"{money(price, channel)}: not the price that is stored"

    @display(description="Drawn with")
    def propensity_figure(self, decision: PricingDecision) -> str:
        return percent(decision.propensity)

    @display(description="Decided")
    def decided_column(self, decision: PricingDecision) -> str:
        return moment(decision.decided_at)

    @display(
        description="Outcome",
        label={"waiting": "info", "purchased": "success", "rejected": "default", "expired": "warning"},
    )
    def state_column(self, decision: PricingDecision) -> str:
        return str(decision.state)


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    list_display = ("failed_column", "reason", "topic", "partition", "offset")
    ordering = ("-failed_at",)
    fieldsets = (
        (None, {"fields": ("failed_column", "reason", "detail", "topic", "partition", "offset", "payload_text")}),
    )
    readonly_fields = ("failed_column", "payload_text")

    @display(description="Failed")
    def failed_column(self, letter: DeadLetter) -> str:
        return moment(letter.failed_at)

    @admin.display(description="Message as it came")
    def payload_text(self, letter: DeadLetter) -> str:
        return bytes(letter.payload)[:SHOWN_BYTES].decode(errors="replace")


@admin.register(StreamOffset)
class StreamOffsetAdmin(ReadOnlyAdmin):
    list_display = ("topic", "partition", "offset_figure", "lost_figure", "updated_column")
    ordering = ("topic", "partition")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    @display(description="Next message")
    def offset_figure(self, offset: StreamOffset) -> str:
        return number(offset.next_offset)

    @display(description="Lost")
    def lost_figure(self, offset: StreamOffset) -> str:
        return number(offset.lost)

    @display(description="Updated")
    def updated_column(self, offset: StreamOffset) -> str:
        return moment(offset.updated_at)
