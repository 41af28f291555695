"""Families, size ladders and quality ladders, with their members."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from catalog.admin.base import PLAIN_DECIMALS, PricingModelAdmin
from catalog.admin.formatting import NOTHING
from catalog.admin.group_words import KINDS, amount_missed
from catalog.models import Channel, PriceGroup, PriceGroupMember
from catalog.selectors.price_groups import RelatedListings, related_listings


class MemberForm(forms.ModelForm):
    def _get_validation_exclusions(self) -> set[str]:
        """Check the constraints that rest on the kind too, although it is not a field of the form."""
        return super()._get_validation_exclusions() - ({"kind"} if self.instance.kind else set())  # type: ignore[misc]


class MemberFormSet(BaseInlineFormSet):
    def full_clean(self) -> None:
        """Give members the group's kind, which the group's own form has read by now."""
        for form in self.forms if self.is_bound else []:
            form.instance.kind = self.instance.kind
        super().full_clean()


class MemberInline(TabularInline):
    model = PriceGroupMember
    form = MemberForm
    formset = MemberFormSet
    formfield_overrides = PLAIN_DECIMALS
    fields = ("product", "pack_size", "position", "step_amount", "step_fraction")
    autocomplete_fields = ("product",)
    ordering = ("position", "pack_size", "pk")
    extra = 1
    hide_title = True
    verbose_name = "product"
    verbose_name_plural = "products"


@admin.register(PriceGroup)
class PriceGroupAdmin(PricingModelAdmin):
    list_display = ("name", "kind_column", "channel_column", "members_figure", "state_column")
    list_filter = ("kind",)
    list_select_related = ("channel",)
    search_fields = ("name__istartswith",)
    search_help_text = "Beginning of the group's name"
    autocomplete_fields = ("channel",)
    ordering = ("name",)
    inlines = (MemberInline,)
    fieldsets: Sequence[Any] = (
        (
            None,
            {
                "fields": ("name", "kind", "channel"),
                "description": "Runs choose the prices of a group together, and an automatic price that would break it "
                "is refused. A price that a person sets passes, and the list says that the relation is broken.",
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(members_count=Count("members"))

    def get_readonly_fields(self, request: HttpRequest, obj: PriceGroup | None = None) -> tuple[str, ...]:
        return ("kind",) if obj else ()  # its members' places belong to the kind

    def complete_page(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        states: dict[int, list[str]] = defaultdict(list)
        for channel in Channel.objects.all():
            for group in related_listings(channel=channel, group_ids=[row.pk for row in rows]):
                states[group.group.pk].extend(_broken_pairs(group, channel))
        for row in rows:
            row.broken_pairs = states.get(row.pk)

    @display(description="Kind")
    def kind_column(self, group: PriceGroup) -> str:
        return KINDS[group.kind]

    @display(description="Channel")
    def channel_column(self, group: PriceGroup) -> str:
        return "every channel" if group.channel is None else group.channel.code

    @display(description="Products")
    def members_figure(self, group: Any) -> int:
        return int(group.members_count)

    @display(description="Prices in force", label={"kept": "success", "broken": "danger"})
    def state_column(self, group: Any) -> Any:
        if group.broken_pairs is None:
            return NOTHING
        return ("broken", f"Broken: {'; '.join(group.broken_pairs[:2])}") if group.broken_pairs else ("kept", "Kept")


def _broken_pairs(group: RelatedListings, channel: Channel) -> list[str]:
    return [
        f"{pair.one.product.sku} and {pair.two.product.sku} in {channel.code} by {amount_missed(pair, channel)}"
        for pair in group.pairs()
        if pair.shortfall
    ]
