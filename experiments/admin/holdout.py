"""The holdout: how much of a channel nothing automatic prices, and what the engine earns beside it."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from catalog.admin.base import PricingModelAdmin
from catalog.admin.cells import sentence
from catalog.admin.formatting import NOTHING, moment, money, number, percent
from experiments.models import HoldoutListing, HoldoutPolicy
from experiments.selectors.holdouts import holdout_effect
from experiments.services.hold_out import hold_out


@admin.register(HoldoutPolicy)
class HoldoutPolicyAdmin(PricingModelAdmin):
    list_display = ("channel", "share_figure", "held_figure", "changed_column", "effect_column")
    list_select_related = ("channel",)
    autocomplete_fields = ("channel",)
    readonly_fields = ("changed_column", "effect_column")
    fieldsets = (
        (
            None,
            {
                "fields": ("channel", "share"),
                "description": "Drawn by hash: a larger share keeps those that are held out and adds to them. Their "
                "prices stay as they are; only people change them.",
            },
        ),
        ("What came of it", {"fields": ("changed_column", "effect_column")}),
    )

    def name_of(self, row: HoldoutPolicy) -> str:
        return f"Holdout of {row.channel.code}"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a share of 0 lets all go, and keeps the salt

    def get_readonly_fields(self, request: HttpRequest, obj: HoldoutPolicy | None = None) -> tuple[str, ...]:
        return ("channel", *self.readonly_fields) if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: HoldoutPolicy, form: Any, change: bool) -> None:
        by = request.user.get_username()
        drawn = hold_out(channel=obj.channel, share=obj.share, by=by, now=timezone.now())
        obj.pk = HoldoutPolicy.objects.get(channel=obj.channel).pk
        words = f"{number(drawn.held)} listings are held out: {number(drawn.new)} new, {number(drawn.let_go)} let go."
        waits = f" {number(drawn.waiting)} wait for the end of their experiment." if drawn.waiting else ""
        self.message_user(request, words + waits, messages.SUCCESS)

    @display(description="Share")
    def share_figure(self, row: HoldoutPolicy) -> str:
        return percent(row.share / 10_000, decimals=2)

    @display(description="Held out")
    def held_figure(self, row: HoldoutPolicy) -> str:
        return number(HoldoutListing.objects.filter(listing__channel_id=row.channel_id, until=None).count())

    @display(description="Drawn")
    def changed_column(self, row: HoldoutPolicy) -> str:
        return f"{moment(row.changed_at)} by {row.changed_by}" if row.changed_at else NOTHING

    @display(description="What the engine earns beside it")
    def effect_column(self, row: HoldoutPolicy) -> str:
        found = holdout_effect(channel=row.channel) if row.pk else None
        if found is None:
            return "nothing to compare yet: it needs days of sales after the draw"
        low, high = (money(end, row.channel) for end in (found.low, found.high))
        relative = "" if found.relative is None else f", {percent(found.relative, signed=True)}"
        return sentence(
            f"{money(found.effect, row.channel)} of profit a listing and day beside those{relative} "
            f"(95 % interval {low} to {high}; {found.first_day:%-d %b} to {found.last_day:%-d %b %Y})"
        )
