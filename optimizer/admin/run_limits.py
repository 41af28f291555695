"""How far one run may move a channel before it is held back."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from catalog.admin.base import PricingModelAdmin
from catalog.admin.formatting import number, percent
from catalog.admin.policies import PercentField
from optimizer.models import RunLimits


class RunLimitsForm(forms.ModelForm):
    max_share_changed = PercentField(
        label="Prices changed, at most",
        lowest=0,
        highest=100,
        help_text="Share of the priced SKUs. A run that would change more is held back; empty means no limit.",
    )
    max_skus_changed = forms.IntegerField(
        label="SKUs changed, at most",
        min_value=0,
        max_value=2_147_483_647,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Number of SKUs. A run that would change more is held back; empty means no limit.",
    )
    max_revenue_drop = PercentField(
        label="Fall of revenue, at most",
        lowest=0,
        highest=100,
        help_text="A run that expects a larger fall is held back; empty means no limit.",
    )

    canary_share = PercentField(
        label="Published first",
        lowest=1,
        highest=100,
        help_text="Share of a run's prices. The others wait until somebody publishes the rest on the run's page; empty "
        "means that all are published at once. Families and ladders always wait.",
    )

    class Meta:
        model = RunLimits
        fields = ("channel", "max_share_changed", "max_skus_changed", "max_revenue_drop", "canary_share")


@admin.register(RunLimits)
class RunLimitsAdmin(PricingModelAdmin):
    form = RunLimitsForm
    list_display = ("channel", "share_column", "skus_figure", "revenue_column", "canary_column")
    list_select_related = ("channel",)
    autocomplete_fields = ("channel",)

    def name_of(self, row: RunLimits) -> str:
        return f"Limits of {row.channel.code}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("channel",) if obj else ()

    @display(description="Prices changed, at most")
    def share_column(self, limits: RunLimits) -> str:
        return percent(limits.max_share_changed, decimals=2)

    @display(description="SKUs changed, at most")
    def skus_figure(self, limits: RunLimits) -> str:
        return number(limits.max_skus_changed)

    @display(description="Fall of revenue, at most")
    def revenue_column(self, limits: RunLimits) -> str:
        return percent(limits.max_revenue_drop, decimals=2)

    @display(description="Published first")
    def canary_column(self, limits: RunLimits) -> str:
        return percent(limits.canary_share, decimals=2)
