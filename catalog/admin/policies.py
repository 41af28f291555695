"""Guardrail policies, written in per cent and checked field by field."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import F
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.text import capfirst
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from catalog.admin.base import PricingModelAdmin
from catalog.admin.cells import admin_url
from catalog.admin.explanation import scope_words
from catalog.admin.formatting import NOTHING, in_currency, number, percent
from catalog.admin.policy_preview import preview_context
from catalog.admin.policy_versions import HISTORY_HEADERS, history_rows
from catalog.models import GuardrailPolicy
from catalog.models.guardrail_policy import SCOPES
from catalog.services.policies import LIMITS, delete_policy, save_policy

ANY_ENDING = "any"


class PercentWidget(UnfoldAdminTextInputWidget):
    def __init__(self) -> None:
        super().__init__(attrs={"suffix": "%", "inputmode": "decimal", "style": "padding-right:2rem"})


class PercentField(forms.DecimalField):
    """Show and read a fraction as a percentage: 0.15 is 15."""

    def __init__(self, *, lowest: int, highest: int, **kwargs: Any) -> None:
        bounds = f"Give a percentage from {lowest} to {highest}."
        super().__init__(max_digits=9, decimal_places=2, required=False, widget=PercentWidget(), **kwargs)
        self.validators += [MinValueValidator(lowest, bounds), MaxValueValidator(highest, bounds)]

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            return f"{(value * 100).normalize():f}"
        return value

    def clean(self, value: Any) -> Decimal | None:
        text = value.strip().removesuffix("%").strip() if isinstance(value, str) else value
        percentage = super().clean(text)
        return None if percentage is None else percentage / 100

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class PriceEndingsField(forms.CharField):
    """Read "5, 9" or "49, 99". Empty says nothing; "any" allows every ending, against a wider policy."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget(), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return ", ".join(value) or ANY_ENDING
        return value

    def clean(self, value: Any) -> list[str] | None:
        text = super().clean(value).strip().lower()
        if not text:
            return None
        if text == ANY_ENDING:
            return []
        endings = [part.strip() for part in text.split(",") if part.strip()]
        for ending in endings:
            if not (ending.isascii() and ending.isdigit() and len(ending) <= 2):
                raise forms.ValidationError(f"“{ending}” is no ending: give one or two digits, such as 5, 9 or 49, 99.")
        return endings

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial) or "", data)


class GuardrailPolicyForm(forms.ModelForm):
    min_margin = PercentField(
        label="Minimum margin",
        lowest=0,
        highest=95,
        help_text="Smallest (price − cost) ÷ price. 15 means that of a price of 10.00 at least 1.50 is left.",
    )
    max_change = PercentField(
        label="Maximum change",
        lowest=0,
        highest=100,
        help_text="Largest step up or down against the price in force. Repeated runs may go on in the same direction.",
    )
    max_change_per_day = PercentField(
        label="Maximum change a day",
        lowest=0,
        highest=100,
        help_text="Largest change within 24 hours, against the price in force when they began.",
    )
    competitor_min = PercentField(
        label="At least",
        lowest=-99,
        highest=1000,
        help_text="Lowest distance to the competitors' median price: −10 is 10 % below it.",
    )
    competitor_max = PercentField(
        label="At most", lowest=-99, highest=1000, help_text="Highest distance: 10 is 10 % above their median."
    )
    price_endings = PriceEndingsField(
        label="Price endings",
        help_text="Last digits that a price may end with: 5, 9 or 49, 99. “any” lifts the endings of a wider policy. "
        "An ending never breaks another limit.",
    )

    class Meta:
        model = GuardrailPolicy
        fields = (
            *SCOPES,
            *LIMITS,
            "note",
        )
        labels = {
            "inventory_threshold": "Not lowered below",
            "max_changes_per_day": "Changes a day",
            "floor": "Lowest price",
            "ceiling": "Highest price",
            "map_price": "Minimum advertised price",
            "note": "Why",
        }
        help_texts = {
            "inventory_threshold": "Units: with fewer in stock the price is not lowered.",
            "max_changes_per_day": "After so many changes within 24 hours the price stays as it is. A person may still "
            "change it.",
            "floor": "No price below it is published.",
            "ceiling": "It yields to the cost and the margin.",
            "map_price": "Agreed with the supplier; stronger than the lowest and the highest price.",
            "note": "Whoever reads this policy in a year should know why it exists.",
        }
        widgets = {
            "inventory_threshold": UnfoldAdminDecimalFieldWidget,
            "max_changes_per_day": UnfoldAdminDecimalFieldWidget,
            "floor": UnfoldAdminTextInputWidget,
            "ceiling": UnfoldAdminTextInputWidget,
            "map_price": UnfoldAdminTextInputWidget,
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        chosen = [name for name in SCOPES if cleaned.get(name)]
        if len(chosen) > 1:
            for name in chosen:
                self.add_error(name, "Choose one of category, product and channel; leave the others empty.")
        else:
            self._require_new_scope(chosen[0] if chosen else None, cleaned)
        return cleaned

    def _require_new_scope(self, scope: str | None, cleaned: dict[str, Any]) -> None:
        wanted = {name: cleaned.get(name) for name in SCOPES}
        same = GuardrailPolicy.objects.exclude(pk=self.instance.pk)
        for name, value in wanted.items():
            same = same.filter(**({f"{name}__isnull": True} if value is None else {name: value}))
        if not set(SCOPES).intersection(self.errors) and same.exists():
            if scope:
                self.add_error(scope, f"This {scope} has a policy already: edit that one.")
            else:
                self.add_error("category", "A policy for everything exists already: edit it, or choose a scope.")


@admin.register(GuardrailPolicy)
class GuardrailPolicyAdmin(PricingModelAdmin):
    form = GuardrailPolicyForm
    change_form_after_template = "catalog/admin/policy_preview_button.html"
    change_form_outer_after_template = "catalog/admin/policy_history.html"
    list_display = (
        "scope_column",
        "min_margin_column",
        "max_change_column",
        "stock_column",
        "prices_column",
        "competitors_column",
        "endings_column",
        "note",
    )
    list_select_related = SCOPES
    list_filter = (("category", admin.EmptyFieldListFilter), ("product", admin.EmptyFieldListFilter))
    search_fields = ("product__sku__startswith", "category__code__startswith", "channel__code__startswith")
    search_help_text = "Beginning of a SKU, or of a category's or channel's code"
    autocomplete_fields = SCOPES
    ordering = (
        F("product").asc(nulls_first=True),  # type: ignore[assignment]
        F("category").asc(nulls_first=True),
        F("channel").asc(nulls_first=True),
    )
    fieldsets: Sequence[Any] = (
        (
            "Where it applies",
            {
                "fields": SCOPES,
                "description": "Choose one, or none for everything. For each limit the narrowest policy that sets it "
                "wins: everything &lt; category &lt; product &lt; channel. An empty limit says nothing.",
            },
        ),
        (
            "Margin and steps",
            {
                "fields": (
                    "min_margin",
                    "max_change",
                    "max_change_per_day",
                    "max_changes_per_day",
                    "inventory_threshold",
                )
            },
        ),
        (
            "Price limits",
            {
                "fields": ("currency", "floor", "ceiling", "map_price", "price_endings"),
                "description": "Where limits conflict the stronger holds: cost, margin, advertised minimum, lowest, "
                "highest, changes a day, maximum change, maximum change a day, low stock, competitors, ending.",
            },
        ),
        ("Distance to competitors", {"fields": ("competitor_min", "competitor_max")}),
        (None, {"fields": ("note",)}),
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_POST(self.preview_view))
        return [path("preview/", view, name="catalog_guardrailpolicy_preview"), *super().get_urls()]

    def render_change_form(self, request: Any, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        saved = kwargs.get("obj")
        if self.has_change_permission(request, saved) if saved else self.has_add_permission(request):
            query = f"?policy={saved.pk}" if saved else ""
            context["preview_url"] = admin_url("catalog_guardrailpolicy_preview") + query
        if saved:
            context |= {"history": history_rows(saved.scope), "history_headers": HISTORY_HEADERS}
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: GuardrailPolicy, form: Any, change: bool) -> None:
        save_policy(policy=obj, author=cast(User, request.user), now=timezone.now())

    def delete_model(self, request: HttpRequest, obj: GuardrailPolicy) -> None:
        delete_policy(policy=obj, author=cast(User, request.user), now=timezone.now())

    def preview_view(self, request: HttpRequest) -> TemplateResponse:
        """Show what the submitted form would do; nothing is saved."""
        saved = self.get_object(request, request.GET["policy"]) if "policy" in request.GET else None
        if saved is None and "policy" in request.GET:
            raise Http404("this policy is gone")
        may = self.has_add_permission(request) if saved is None else self.has_change_permission(request, saved)
        if not may:
            raise PermissionDenied
        form = self.get_form(request, saved)(request.POST, instance=saved)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Preview of a policy"}
        return TemplateResponse(request, "catalog/admin/policy_preview.html", context | preview_context(form))

    def name_of(self, row: GuardrailPolicy) -> str:
        return capfirst(scope_words(row.scope))

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).select_related(*SCOPES)

    @display(description="Applies to")
    def scope_column(self, policy: GuardrailPolicy) -> str:
        if policy.category:
            return f"Category {policy.category.name}"
        return "Everything" if policy.scope == "global" else capfirst(scope_words(policy.scope))

    @display(description="Min. margin")
    def min_margin_column(self, policy: GuardrailPolicy) -> str:
        return percent(policy.min_margin, decimals=2)

    @display(description="Max. change")
    def max_change_column(self, policy: GuardrailPolicy) -> str:
        limits = []
        if policy.max_change is not None:
            limits.append("none" if policy.max_change == 0 else percent(policy.max_change, decimals=2))
        if policy.max_change_per_day is not None:
            limits.append(f"{percent(policy.max_change_per_day, decimals=2)} a day")
        if policy.max_changes_per_day is not None:
            limits.append(f"{number(policy.max_changes_per_day)} times a day")
        return ", ".join(limits) or NOTHING

    @display(description="Not lowered below")
    def stock_column(self, policy: GuardrailPolicy) -> str:
        return NOTHING if policy.inventory_threshold is None else f"{number(policy.inventory_threshold)} units"

    @display(description="Price limits")
    def prices_column(self, policy: GuardrailPolicy) -> str:
        named = {"from": policy.floor, "to": policy.ceiling, "advertised from": policy.map_price}
        return (
            ", ".join(f"{name} {in_currency(value, policy.currency)}" for name, value in named.items() if value)
            or NOTHING
        )

    @display(description="Competitors")
    def competitors_column(self, policy: GuardrailPolicy) -> str:
        ends = (policy.competitor_min, policy.competitor_max)
        if ends == (None, None):
            return NOTHING
        low, high = ("any" if end is None else percent(end, decimals=2, signed=True) for end in ends)
        return f"{low} to {high}"

    @display(description="Endings")
    def endings_column(self, policy: GuardrailPolicy) -> str:
        if policy.price_endings is None:
            return NOTHING
        return ", ".join(f"…{ending}" for ending in policy.price_endings) or ANY_ENDING
