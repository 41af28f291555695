"""Approval policies: from which risk on a second person must look."""

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.text import capfirst
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from catalog.admin.base import PricingModelAdmin
from catalog.admin.explanation import scope_words
from catalog.admin.formatting import NOTHING, in_currency, percent
from catalog.admin.policies import PercentField
from catalog.models import ApprovalPolicy
from catalog.models.approval import usually_covered
from catalog.models.listing import PriceSource


class ApprovalPolicyForm(forms.ModelForm):
    max_change = PercentField(
        label="Change over", lowest=0, highest=900, help_text="A larger step against the price in force waits."
    )
    sources = forms.MultipleChoiceField(
        choices=PriceSource.choices,
        initial=usually_covered,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        label="Whose prices",
        error_messages={"required": "Choose whose prices this policy covers: without any it says nothing."},
    )

    class Meta:
        model = ApprovalPolicy
        fields = (
            "category", "channel", "sources", "max_change", "max_revenue", "currency", "kvi_needs_approval",
            "expires_after_hours", "note",
        )  # fmt: skip
        labels = {
            "max_revenue": "Weekly revenue over",
            "kvi_needs_approval": "Every change of a key value item",
            "expires_after_hours": "Expires after (hours)",
            "note": "Why",
        }
        widgets = {"max_revenue": UnfoldAdminTextInputWidget}


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(PricingModelAdmin):
    form = ApprovalPolicyForm
    list_display = ("scope_column", "change_column", "revenue_column", "kvi_needs_approval", "sources_column", "note")
    list_select_related = ("category", "channel")
    autocomplete_fields = ("category", "channel")
    fieldsets = (
        (
            "Where it applies",
            {
                "fields": ("category", "channel", "sources"),
                "description": "Choose a category or a channel, or neither for everything. The narrowest policy alone "
                "counts: everything &lt; category &lt; channel.",
            },
        ),
        ("What waits for a second person", {"fields": ("max_change", "max_revenue", "currency", "kvi_needs_approval")}),
        (None, {"fields": ("expires_after_hours", "note")}),
    )

    def name_of(self, row: ApprovalPolicy) -> str:
        return capfirst(scope_words(row.scope))

    @display(description="Applies to")
    def scope_column(self, policy: ApprovalPolicy) -> str:
        return "Everything" if policy.scope == "global" else capfirst(scope_words(policy.scope))

    @display(description="Change over")
    def change_column(self, policy: ApprovalPolicy) -> str:
        return percent(policy.max_change)

    @display(description="Weekly revenue over")
    def revenue_column(self, policy: ApprovalPolicy) -> Any:
        return NOTHING if policy.max_revenue is None else in_currency(policy.max_revenue, policy.currency, decimals=0)

    @display(description="Whose prices")
    def sources_column(self, policy: ApprovalPolicy) -> str:
        words = dict(PriceSource.choices)
        return ", ".join(str(words.get(source, source)) for source in policy.sources)
