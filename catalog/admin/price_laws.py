"""What each country asks of whoever announces a reduction. Countries that are not listed have no such rule."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from catalog.admin.base import PricingModelAdmin
from catalog.models import PriceLawRule
from catalog.services.price_laws import remove_price_law, store_price_law


@admin.register(PriceLawRule)
class PriceLawRuleAdmin(PricingModelAdmin):
    list_display = ("country", "window_figure", "judged_column", "progressive_column", "time_zone", "source")
    search_fields = ("country", "source")
    search_help_text = "Country code, or part of the law's name"
    ordering = ("country",)

    def save_model(self, request: HttpRequest, obj: PriceLawRule, form: Any, change: bool) -> None:
        store_price_law(rule=obj)

    def delete_model(self, request: HttpRequest, obj: PriceLawRule) -> None:
        remove_price_law(rule=obj)

    @display(description="Window")
    def window_figure(self, rule: PriceLawRule) -> str:
        return f"{rule.window_days} days"

    @display(description="Announcements judged", boolean=True)
    def judged_column(self, rule: PriceLawRule) -> bool:
        return rule.prior_price_required

    @display(description="Step by step allowed", boolean=True)
    def progressive_column(self, rule: PriceLawRule) -> bool:
        return rule.progressive_reductions_allowed
