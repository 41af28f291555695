"""Overrides and promotions: schedule one, read what became of them, cancel, and give many in a file."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelect2Widget, UnfoldAdminTextInputWidget

from catalog.admin.base import SearchBySku
from catalog.admin.cells import listing_name, product_cell, sentence, with_note
from catalog.admin.formatting import local_moment, money
from catalog.admin.group_words import tell_broken_relations
from catalog.admin.override_upload import upload_page
from catalog.local_times import time_zones
from catalog.models import PriceOverride
from catalog.models.price_override import OverrideKind, OverrideStatus
from catalog.override_requests import FIELDS, OverrideRefused, OverrideRequest, read_request
from catalog.plain_words import refusal_words
from catalog.selectors.overrides import WAITS, waits_for_approval
from catalog.services.check_overrides import check_overrides
from catalog.services.overrides import AlreadyOver, cancel_override, schedule_override

WAITS_WORDS = "waits for approval"
STATUS_COLOURS = {
    WAITS_WORDS: "warning",
    "scheduled": "info",
    "active": "success",
    "ended": "default",
    "cancelled": "default",
    "refused": "danger",
}
KIND_COLOURS = {"override": "warning", "promotion": "primary"}
CANCEL_BUTTON = "catalog_priceoverride_cancel_one"
TIME_PLACEHOLDER = {"placeholder": "2026-12-01 09:00"}


class OverrideForm(forms.ModelForm):
    starts_at = forms.CharField(
        label="Starts",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs=TIME_PLACEHOLDER),
        help_text="As the clock in the time zone below shows it. Empty: at once.",
    )
    ends_at = forms.CharField(
        label="Ends",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs=TIME_PLACEHOLDER),
        help_text="The price reverts by itself at this moment. Empty: it stays until you cancel it.",
    )
    time_zone = forms.ChoiceField(
        choices=[("", "Choose one"), *((name, name) for name in sorted(time_zones()))],
        widget=UnfoldAdminSelect2Widget(),
        help_text="Whose clock the times above are read from; clock changes are kept in mind.",
    )

    class Meta:
        model = PriceOverride
        fields = ("listing", "kind", "price", "reason")
        labels = {"listing": "Product"}
        help_texts = {
            "listing": "Type the beginning of a SKU, or a part of the name.",
            "kind": "A promotion must be below the price that it replaces. Both stop automatic prices for their time.",
            "price": "In the currency of the product's channel; not below the unit cost.",
            "reason": "For those who ask later why the price was what it was.",
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        listing = cleaned.get("listing")
        if listing is None or self.errors:
            return cleaned
        texts = {name: str(cleaned.get(name) or "") for name in FIELDS} | {"sku": listing.product.sku}
        try:
            request = read_request(texts, channel=listing.channel)
            checked = check_overrides(channel=listing.channel, requests=[request], now=timezone.now())[0]
            if checked.errors:
                raise OverrideRefused(checked.errors)
        except OverrideRefused as refused:
            for error in refused.errors:
                self.add_error("listing" if error.field == "sku" else error.field, error.message)
        else:
            cleaned["request"] = request
        return cleaned


class StatusFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return OverrideStatus.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[PriceOverride]) -> QuerySet[PriceOverride]:
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(PriceOverride)
class PriceOverrideAdmin(SearchBySku):
    """Nothing is edited here: an override is scheduled, and cancelled where it was wrong."""

    form = OverrideForm
    list_display: Sequence[str] = (
        "product_column",
        "kind_column",
        "price_figure",
        "starts_column",
        "ends_column",
        "status_column",
        "outcome_column",
    )
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel", "author", "api_key")
    list_filter = (StatusFilter, "kind", "listing__channel")
    list_filter_submit = True
    autocomplete_fields = ("listing",)
    actions = ("cancel_selected",)
    actions_list = ("upload",)
    actions_submit_line = ("cancel_one",)

    def name_of(self, row: PriceOverride) -> str:
        return f"{row.get_kind_display()} {row.pk} of {listing_name(row.listing)}"

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "listing__exact" or super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceOverride]:
        return super().get_queryset(request).select_related(*self.list_select_related).annotate(waits=WAITS)

    def get_fieldsets(self, request: HttpRequest, obj: PriceOverride | None = None) -> Any:
        if obj is None:
            return (
                (None, {"fields": ("listing", "kind", "price", "reason")}),
                ("When", {"fields": ("starts_at", "ends_at", "time_zone")}),
            )
        return ((None, {"fields": self.get_readonly_fields(request, obj)}),)

    def get_readonly_fields(self, request: HttpRequest, obj: PriceOverride | None = None) -> Sequence[str]:
        if obj is None:
            return ()
        return (
            "product_text", "kind_text", "price_text", "starts_column", "ends_column", "time_zone", "reason",
            "author_column", "status_text", "replaced_text", "outcome_column",
        )  # fmt: skip

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the time zone that this person used last."""
        last = (
            PriceOverride.objects.filter(author_id=request.user.pk).order_by("-pk").values_list("time_zone", flat=True)
        )
        return {"time_zone": last.first() or "", **super().get_changeform_initial_data(request)}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # what was in force stays on record

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_save_and_continue": False, "show_save": kwargs.get("obj") is None}
        if kwargs.get("obj") is not None:
            context["show_save_and_add_another"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        try:
            return super().add_view(request, form_url, extra_context)
        except OverrideRefused as error:  # somebody took the same time after the form was checked
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: PriceOverride, form: forms.ModelForm, change: bool) -> None:
        if change:  # without obj.save(): the row as it was read would overwrite what a process did with it since
            if CANCEL_BUTTON in request.POST and self.has_cancel_permission(request):
                self.cancel_one(request, obj)
            return
        asked: OverrideRequest = form.cleaned_data["request"]
        author = cast(User, request.user)
        override = schedule_override(channel=obj.listing.channel, request=asked, now=timezone.now(), author=author)
        obj.__dict__.update(override.__dict__)
        if override.status == OverrideStatus.REFUSED:
            self.message_user(request, f"Refused: {refusal_words(override.refused_because)}.", messages.WARNING)
        elif override.status == OverrideStatus.ACTIVE:
            tell_broken_relations(request, [obj.listing])
        elif waits_for_approval(override):
            text = "It waits for a second person: its price comes into force once somebody else approves it."
            self.message_user(request, text, messages.WARNING)

    @action(description="Upload a CSV file", url_path="upload", icon="upload_file", permissions=["add"])
    def upload(self, request: HttpRequest) -> HttpResponse:
        return upload_page(self, request)

    @admin.action(description="Cancel the selected: those in force revert now", permissions=["change"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[PriceOverride]) -> None:
        cancelled = sum(self._cancel(request, row) for row in queryset.order_by("listing_id"))
        if cancelled:
            self.message_user(request, f"{cancelled} cancelled.", messages.SUCCESS)

    @action(description="Cancel it", permissions=["cancel"], icon="event_busy")
    def cancel_one(self, request: HttpRequest, obj: PriceOverride) -> None:
        if self._cancel(request, obj):
            self.message_user(request, f"{self.name_of(obj)} is cancelled.", messages.SUCCESS)

    def _cancel(self, request: HttpRequest, row: PriceOverride) -> bool:
        try:
            cancel_override(override_id=row.pk, now=timezone.now(), who=request.user.get_username())
        except AlreadyOver as error:
            self.message_user(request, f"{self.name_of(row)}: {error}", messages.WARNING)
            return False
        self.log_change(request, row, "Cancelled.")
        tell_broken_relations(request, [row.listing])
        return True

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Unfold asks with a key where it shows the button, and without one where the button was pressed."""
        may_change = self.has_change_permission(request)
        row = PriceOverride.objects.filter(pk=object_id).first() if object_id is not None else None
        return may_change and (object_id is None or (row is not None and row.is_live))

    @display(description="Product", header=True)
    def product_column(self, row: PriceOverride) -> list[str]:
        return product_cell(row.listing)

    @display(description="Kind", label=KIND_COLOURS)
    def kind_column(self, row: PriceOverride) -> str:
        return OverrideKind(row.kind).label

    @display(description="Price")
    def price_figure(self, row: PriceOverride) -> str:
        channel = row.listing.channel
        before = row.listing.price_in_force if row.status == OverrideStatus.SCHEDULED else row.replaced_price
        words = "now" if row.status == OverrideStatus.SCHEDULED else "before"
        return with_note(money(row.price, channel), f"{words} {money(before, channel)}" if before is not None else "")

    @display(description="Starts")
    def starts_column(self, row: PriceOverride) -> str:
        return with_note(local_moment(row.starts_at, row.time_zone), row.time_zone)

    @display(description="Ends")
    def ends_column(self, row: PriceOverride) -> str:
        return with_note(local_moment(row.ends_at, row.time_zone), row.time_zone if row.ends_at else "until cancelled")

    @display(description="State", label=STATUS_COLOURS)
    def status_column(self, row: Any) -> str:
        waits = row.status == OverrideStatus.SCHEDULED and row.waits
        return WAITS_WORDS if waits else OverrideStatus(row.status).label

    @display(description="Why and outcome")
    def outcome_column(self, row: PriceOverride) -> str:
        parts = [f"{row.reason} ({self.author_column(row)})"]
        if row.refused_because:
            parts.append(f"Refused: {refusal_words(row.refused_because)}")
        elif row.outcome:
            parts.append(row.outcome[0].upper() + row.outcome[1:])
        return sentence(". ".join(parts))

    @admin.display(description="By")
    def author_column(self, row: PriceOverride) -> str:
        if row.author is not None:
            return row.author.get_username()
        return f"API key {row.api_key.name}" if row.api_key else "command line"

    @admin.display(description="Product")
    def product_text(self, row: PriceOverride) -> str:
        return " · ".join(product_cell(row.listing))

    @admin.display(description="Kind")
    def kind_text(self, row: PriceOverride) -> str:
        return OverrideKind(row.kind).label.capitalize()

    @admin.display(description="Price")
    def price_text(self, row: PriceOverride) -> str:
        return money(row.price, row.listing.channel)

    @admin.display(description="State")
    def status_text(self, row: PriceOverride) -> str:
        return self.status_column(row).capitalize()

    @admin.display(description="Price before")
    def replaced_text(self, row: PriceOverride) -> str:
        return money(row.replaced_price, row.listing.channel)
