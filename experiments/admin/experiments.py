"""Which policies decide where, and what others would have earned."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget

from catalog.admin.base import PricingModelAdmin
from catalog.admin.formatting import NOTHING, in_currency, money, number
from catalog.models import Channel
from experiments.admin.charts import values_chart
from experiments.models import BanditExperiment, Challenger
from experiments.models.bandit_experiment import LEAST_CHAMPION_SHARE
from experiments.selectors.policy_values import PolicyValue, policy_values

MOST_SHARE = 100 - LEAST_CHAMPION_SHARE


class ChallengerFormSet(forms.BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        rows = [form.cleaned_data for form in self.forms if getattr(form, "cleaned_data", None)]
        kept = [row for row in rows if not row.get("DELETE")]
        total = sum(row.get("share") or 0 for row in kept)
        if total > MOST_SHARE:
            raise forms.ValidationError(
                f"The challengers decide {total} % together: leave the champion {LEAST_CHAMPION_SHARE} % at least."
            )
        champion = self.instance.champion
        if any(row.get("policy") == champion for row in kept):
            raise forms.ValidationError("The champion cannot challenge itself: choose another policy as challenger.")


class ChallengerInline(TabularInline):
    model = Challenger
    formset = ChallengerFormSet
    extra = 0
    tab = False


class PeriodForm(forms.Form):
    channel = forms.ModelChoiceField(Channel.objects.order_by("code"), widget=UnfoldAdminSelectWidget)
    since = forms.DateField(label="From", widget=UnfoldAdminSingleDateWidget)
    until = forms.DateField(label="To, that day included", widget=UnfoldAdminSingleDateWidget)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("since", "It is after the end: choose an earlier day.")
        return cleaned


@admin.register(BanditExperiment)
class BanditExperimentAdmin(PricingModelAdmin):
    list_display = ("scope_column", "champion_column", "challengers_column", "worth_column")
    list_select_related = ("channel", "category")
    autocomplete_fields = ("channel", "category")
    inlines = (ChallengerInline,)

    def name_of(self, row: BanditExperiment) -> str:
        return f"Bandit in {row.channel.code}" + (f", {row.category.name}" if row.category else "")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("challengers")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.evaluation_view)
        return [path("evaluation/", view, name="experiments_banditexperiment_evaluation"), *super().get_urls()]

    def evaluation_view(self, request: HttpRequest) -> HttpResponse:
        """Show what other policies would have earned in a period."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        today = timezone.localdate()
        first = Channel.objects.order_by("pk").first()
        initial = {"channel": first, "since": today - timedelta(days=7), "until": today}
        form = PeriodForm(request.GET or None, initial=initial)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "What other policies would have earned",
            "form": form,
        }
        if form.is_bound and form.is_valid():
            context |= _evaluated(form.cleaned_data)
        return TemplateResponse(request, "experiments/admin/evaluation.html", context)

    @display(description="Decides for")
    def scope_column(self, row: BanditExperiment) -> str:
        return self.name_of(row).removeprefix("Bandit in ")

    @display(description="Champion")
    def champion_column(self, row: BanditExperiment) -> str:
        return row.get_champion_display()

    @display(description="Challengers")
    def challengers_column(self, row: BanditExperiment) -> str:
        return ", ".join(str(each) for each in row.challengers.all()) or NOTHING

    @display(description="Earns")
    def worth_column(self, row: BanditExperiment) -> str:
        return row.get_worth_display()


HEADERS = ["Policy", "Earns a decision (95 %)", "Self-normalised", "IPS", "Worth so many decisions", "To be trusted"]


def _evaluated(asked: dict[str, Any]) -> dict[str, Any]:
    channel = asked["channel"]
    zone = timezone.get_current_timezone()
    since, until = (
        timezone.make_aware(datetime.combine(day, time.min), zone)
        for day in (asked["since"], asked["until"] + timedelta(days=1))
    )
    values = policy_values(channel=channel.code, since=since, until=until)
    return {
        "charts": values_chart(values, channel),
        "headers": HEADERS,
        "rows": [_value_row(each, channel) for each in values],
    }


def _value_row(value: PolicyValue, channel: Channel) -> list[str]:
    name = value.policy.replace("_", " ")
    if value.result is None:
        return [name, NOTHING, NOTHING, NOTHING, NOTHING, value.problem]
    found = value.result
    estimates = [
        f"{in_currency(each.value, channel.currency, decimals=3)} "
        f"({money(each.low, channel)} to {money(each.high, channel)})"
        for each in (found.doubly_robust, found.snips, found.ips)
    ]
    trust = "yes" if found.has_overlap else "no: too little like it was drawn"
    return [name, *estimates, number(found.effective_decisions), trust]
