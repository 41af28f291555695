"""What the bandit tries where, and what it learned. Only the thresholds of demand are edited here."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from catalog.admin.base import PricingModelAdmin, ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import listing_name, product_cell
from catalog.admin.formatting import NOTHING, in_currency, moment, money, number, percent
from catalog.models import Channel
from experiments.admin.charts import rewards_chart, share_chart
from experiments.models import BanditArm, BanditContext, IntensityPolicy, PricingDecision
from experiments.selectors.arm_counts import arm_totals
from experiments.selectors.bandit_status import BanditStatus, ContextStatus, bandit_status, context_status
from experiments.stats.policy_names import POLICY_LABELS

LAST = 5_000
"""Decisions that the pages look back at."""

CHANNELS = 4
"""Of which the page shows how far they are, the oldest first."""


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
    list_before_template = "experiments/admin/bandit_status.html"
    change_form_outer_before_template = "experiments/admin/context_panel.html"
    list_display = ("product_column", "location", "intensity")
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel")
    list_filter = ("intensity",)

    def name_of(self, row: BanditContext) -> str:
        return f"{listing_name(row.listing)}, {row.location}, {row.get_intensity_display()} demand"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        channels = Channel.objects.order_by("pk")[:CHANNELS]
        panels = {"panels": [_status_panel(channel) for channel in channels]}
        context = {"title": "What the bandit has learned", **panels, **(extra_context or {})}
        return super().changelist_view(request, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            status = context_status(context=row, last=LAST)
            context["panel"] = {
                "charts": rewards_chart(status, row.listing.channel) if status.arms else [],
                "headers": ARM_HEADERS,
                "rows": _arm_rows(status, row.listing.channel),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Product", header=True)
    def product_column(self, context: BanditContext) -> list[str]:
        return product_cell(context.listing)


ARM_HEADERS = ["Price", "Bought", "Left", "Buys (90 %)", "Reward a shopper", "Recent decisions"]


def _arm_rows(status: ContextStatus, channel: Channel) -> list[list[str]]:
    return [
        [
            money(arm.price, channel) + (" · best" if arm is status.best else ""),
            number(arm.purchases),
            number(arm.rejections),
            f"{percent(arm.mean)} ({percent(arm.low)} to {percent(arm.high)})",
            in_currency(arm.reward, channel.currency, decimals=3),
            number(arm.recent),
        ]
        for arm in status.arms
    ]


def _status_panel(channel: Channel) -> dict[str, Any]:
    status = bandit_status(channel=channel.code, last=LAST)
    return {
        "words": _in_words(status, channel),
        "charts": share_chart(status.shares),
        "headers": ["Policy", "Decisions", "Outcomes known", "Earned a decision"],
        "rows": [
            [
                POLICY_LABELS.get(each.policy, each.policy or "unknown"),
                number(each.decisions),
                number(each.settled),
                money(each.reward, channel) if each.settled else NOTHING,
            ]
            for each in status.policies
        ],
    }


def _in_words(status: BanditStatus, channel: Channel) -> str:
    if not status.decisions:
        return f"The bandit has decided nothing in {channel.code} yet: start run_bandit and relay_outbox."
    share, number_of = percent(status.best_share, decimals=0), number(status.decisions)
    return (
        f"{share} of the last {number_of} decisions in {channel.code} were at the price that is now thought best, "
        f"in {number(len(status.contexts))} contexts."
    )


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

    def complete_page(self, request: HttpRequest, rows: Sequence[BanditArm]) -> None:
        totals = arm_totals([arm.pk for arm in rows])
        for arm in rows:
            arm.seen = totals.get(arm.pk, (0, 0))  # type: ignore[attr-defined]  # for the columns of this page

    @display(description="Purchases")
    def purchased_figure(self, arm: Any) -> str:
        return number(arm.seen[0])

    @display(description="Rejections")
    def rejected_figure(self, arm: Any) -> str:
        return number(arm.seen[1])

    @display(description="Buys, expected")
    def rate_figure(self, arm: Any) -> str:
        return percent((1 + arm.seen[0]) / (2 + sum(arm.seen)))


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
    readonly_fields = ("on_offer", "decided_by", "replay")

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

    @admin.display(description="Decided by")
    def decided_by(self, decision: PricingDecision) -> str:
        policy = decision.choice_set.policy if decision.choice_set else ""
        return POLICY_LABELS.get(policy, policy or NOTHING)

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
