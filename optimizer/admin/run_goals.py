"""What every run of a channel asks of all its prices together."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from catalog.admin.base import PricingModelAdmin
from catalog.admin.formatting import NOTHING, number, percent
from catalog.admin.policies import PercentField
from optimizer.models import GOAL_FIELDS, RunGoals

INDEX = "Average of own price ÷ competitors' price, in every category by itself; 100 is as dear as they are."
KVI_INDEX = "The same over key value items alone: the prices by which shoppers judge the shop."


class RunGoalsForm(forms.ModelForm):
    least_revenue_change = PercentField(
        label="Revenue, at least",
        lowest=-99,
        highest=1000,
        help_text="Change of expected revenue against today's prices: 0 keeps it, 2 asks for 2 % more.",
    )
    least_margin_rate = PercentField(
        label="Margin, at least",
        lowest=0,
        highest=99,
        help_text="Expected profit per revenue, over all prices together.",
    )
    most_changes = forms.IntegerField(
        label="Prices changed, at most",
        min_value=0,
        max_value=2_147_483_647,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="The changes that earn most are made. A price may then stay although a soft rule would move it.",
    )
    index_low = PercentField(label="Price index, at least", lowest=1, highest=1000, help_text=INDEX)
    index_high = PercentField(label="Price index, at most", lowest=1, highest=1000, help_text=INDEX)
    kvi_index_low = PercentField(label="Key value items, at least", lowest=1, highest=1000, help_text=KVI_INDEX)
    kvi_index_high = PercentField(label="Key value items, at most", lowest=1, highest=1000, help_text=KVI_INDEX)

    class Meta:
        model = RunGoals
        fields = ("channel", *GOAL_FIELDS)


@admin.register(RunGoals)
class RunGoalsAdmin(PricingModelAdmin):
    form = RunGoalsForm
    list_display = ("channel", "revenue_column", "margin_column", "changes_figure", "index_column", "kvi_column")
    list_select_related = ("channel",)
    autocomplete_fields = ("channel",)

    def name_of(self, row: RunGoals) -> str:
        return f"Goals of {row.channel.code}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("channel",) if obj else ()

    @display(description="Revenue, at least")
    def revenue_column(self, goals: RunGoals) -> str:
        return percent(goals.least_revenue_change, decimals=2, signed=True)

    @display(description="Margin, at least")
    def margin_column(self, goals: RunGoals) -> str:
        return percent(goals.least_margin_rate, decimals=2)

    @display(description="Prices changed, at most")
    def changes_figure(self, goals: RunGoals) -> str:
        return number(goals.most_changes)

    @display(description="Price index")
    def index_column(self, goals: RunGoals) -> str:
        return _corridor(goals.index_low, goals.index_high)

    @display(description="Key value items")
    def kvi_column(self, goals: RunGoals) -> str:
        return _corridor(goals.kvi_index_low, goals.kvi_index_high)


def _corridor(low: Any, high: Any) -> str:
    if low is None and high is None:
        return NOTHING
    if high is None:
        return f"at least {percent(low)}"
    return f"at most {percent(high)}" if low is None else f"{percent(low)} to {percent(high)}"
