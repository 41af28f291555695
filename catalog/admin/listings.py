"""Products and prices: what each listing costs, what it sells for, and why."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from catalog.admin.base import AutocompleteFilter, SearchBySku
from catalog.admin.cells import (
    SOURCE_COLOURS,
    admin_url,
    assumable,
    listing_name,
    price_step,
    product_cell,
    run_url,
    sentence,
    with_note,
)
from catalog.admin.charts import demand_charts, price_chart
from catalog.admin.explanation import ExplanationTables, guardrail_rows
from catalog.admin.formatting import margin, moment, money, number, percent
from catalog.admin.group_words import group_tables, tell_broken_relations
from catalog.admin.price_notes import price_notes
from catalog.admin.reasons import LIST_PRICE, change_in_words
from catalog.models import Listing, PriceChange
from catalog.models.listing import PriceSource
from catalog.money import from_ticks, to_ticks
from catalog.plain_words import refusal_words
from catalog.selectors.attention import BELOW_COST, COST_UNKNOWN, SOLD_OUT
from catalog.selectors.listings import price_history
from catalog.selectors.pricing_facts import pricing_facts
from catalog.services.listing_facts import change_listing_facts

HISTORY_ROWS = 20
CHART_ROWS = 200
COST_HELP = "Empty means unknown: the SKU is then not priced automatically. The next price keeps to a new cost."


class CostFilter(admin.SimpleListFilter):
    title = "unit cost"
    parameter_name = "cost"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unknown", "unknown: not priced"), ("assumed", "assumed"), ("given", "given by the shop")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Listing]) -> QuerySet[Listing]:
        conditions = {
            "unknown": Q(unit_cost__isnull=True) | Q(unit_cost=0),
            "assumed": Q(unit_cost_assumed=True),
            "given": Q(unit_cost__gt=0, unit_cost_assumed=False),
        }
        return queryset.filter(conditions.get(self.value() or "", Q()))


class AttentionFilter(admin.SimpleListFilter):
    """The questions that a pricing manager asks in the morning."""

    title = "what needs attention"
    parameter_name = "attention"
    conditions = {"below_cost": BELOW_COST, "cost_unknown": COST_UNKNOWN, "sold_out": SOLD_OUT}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("below_cost", "sold below cost"), ("cost_unknown", "cost unknown"), ("sold_out", "sold out")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Listing]) -> QuerySet[Listing]:
        return queryset.filter(self.conditions.get(self.value() or "", Q()))


class SourceFilter(admin.SimpleListFilter):
    """Where the price in force comes from; nothing published counts as the list price."""

    title = "source of the price"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return PriceSource.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Listing]) -> QuerySet[Listing]:
        if self.value() == PriceSource.LIST_PRICE:
            return queryset.filter(price_source__in=["", PriceSource.LIST_PRICE])
        return queryset.filter(price_source=self.value()) if self.value() else queryset


class ListingForm(forms.ModelForm):
    class Meta:
        model = Listing
        fields = ("product", "channel", "list_price", "unit_cost", "inventory")
        help_texts = {
            "list_price": "The shop's own price. It comes into force at once unless another price was published.",
            "unit_cost": COST_HELP,
            "inventory": "Units in stock; empty means not limited.",
        }

    def clean_unit_cost(self) -> Any:
        cost = self.cleaned_data["unit_cost"]
        if cost is not None and cost <= 0:
            raise forms.ValidationError("A cost of zero is not a cost: leave it empty if it is unknown.")
        return cost

    def clean_list_price(self) -> Any:
        price = self.cleaned_data["list_price"]
        if price <= 0:
            raise forms.ValidationError("Zero is not a price: give an amount above it.")
        return price

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        channel = self.instance.channel if self.instance.pk else cleaned.get("channel")
        price = cleaned.get("list_price")
        if channel and price is not None:
            decimals = channel.currency_exponent
            if price != from_ticks(to_ticks(price, decimals), decimals):
                self.add_error("list_price", f"{channel.currency} has {decimals} decimals: round the price to them.")
        return cleaned


@admin.register(Listing)
class ListingAdmin(SearchBySku):
    """The price itself is never edited here: only the publish gate moves it."""

    form = ListingForm
    search_fields = ("product__sku",)
    change_form_outer_before_template = "catalog/admin/price_panel.html"
    list_display: Sequence[str] = (
        "product_column",
        "price_figure",
        "cost_figure",
        "margin_figure",
        "stock_figure",
        "source_column",
        "reason_column",
    )
    list_display_links = ("product_column",)
    list_select_related = ("product__category", "channel")
    sortable_by = ("product_column",)
    ordering = ("product__sku", "pk")
    list_filter = ("channel", ("product__category", AutocompleteFilter), AttentionFilter, SourceFilter, CostFilter)
    list_filter_submit = True
    autocomplete_fields = ("product", "channel")
    fieldsets = (
        (None, {"fields": ("product", "channel")}),
        ("Facts for pricing", {"fields": ("list_price", "unit_cost", "inventory")}),
    )

    def name_of(self, row: Listing) -> str:
        return listing_name(row)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Listing]:
        return super().get_queryset(request).select_related("product__category", "channel")

    def get_readonly_fields(self, request: HttpRequest, obj: Listing | None = None) -> Sequence[str]:
        return ("product", "channel") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its prices stay in the ledger: make the product inactive instead

    def complete_page(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        in_force = PriceChange.objects.filter(
            listing__in=[row.pk for row in rows], version=F("listing__price_version")
        ).select_related("author", "approved_by")
        changes = {change.listing_id: change for change in in_force}
        for row in rows:
            row.change_in_force = changes.get(row.pk)

    def save_model(self, request: HttpRequest, obj: Listing, form: forms.ModelForm, change: bool) -> None:
        refused = change_listing_facts(
            listing=obj, changed=form.changed_data, author=cast(User, request.user), now=timezone.now()
        )
        if refused:
            text = f"The list price stays as it was: {refusal_words(refused)}."
            self.message_user(request, text, messages.WARNING)
        elif "list_price" in form.changed_data:
            tell_broken_relations(request, [obj])

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        listing = kwargs.get("obj")
        if listing is not None and listing.pk:
            context["panel"] = self.panel(request, listing)
        return super().render_change_form(request, context, *args, **kwargs)

    def panel(self, request: HttpRequest, listing: Listing) -> dict[str, Any]:
        """Return all that the price panel shows; floors above add to it."""
        now, channel = timezone.now(), listing.channel
        history = list(price_history(listing=listing).order_by("-version")[:CHART_ROWS])
        change = next((each for each in history if each.version == listing.price_version), None)
        explanation = change.explanation if change else {}
        share = margin(listing.price_in_force, listing.unit_cost)
        charts = [price_chart(history, channel, now), *demand_charts(explanation, listing.price_in_force, channel)]
        ledger = admin_url("catalog_pricechange_changelist")
        return {
            "headline": change_in_words(change, channel),
            "cards": [
                ("Price in force", money(listing.price_in_force, channel), f"since {moment(listing.price_since)}")
                if listing.price is not None
                else ("Price in force", money(listing.price_in_force, channel), "the list price"),
                ("List price", money(listing.list_price, channel), ""),
                (
                    "Unit cost",
                    money(listing.unit_cost, channel, exact=True) if listing.unit_cost else "unknown",
                    "assumed" if listing.unit_cost_assumed else moment(listing.unit_cost_at),
                ),
                ("Margin", percent(share), "of the price in force"),
                (
                    "Stock",
                    "not limited" if listing.inventory is None else number(listing.inventory),
                    "assumed" if listing.inventory_assumed else moment(listing.inventory_at),
                ),
            ],
            "change": change,
            "tables": ExplanationTables.of(explanation, channel),
            "limits_now": self._limits_now(listing),
            "charts": [chart for chart in charts if chart is not None],
            "notes": price_notes(listing),
            "groups": group_tables(listing),
            "history_title": f"Last {HISTORY_ROWS} prices",
            "history": [
                [
                    moment(each.valid_from),
                    price_step(each.price, each.previous_price, channel),
                    format_html('<span class="text-xs">{}</span>', change_in_words(each, channel)),
                ]
                for each in history[:HISTORY_ROWS]
            ],
            "ledger_url": f"{ledger}?listing__exact={listing.pk}",
            "overrides_url": f"{admin_url('catalog_priceoverride_changelist')}?listing__exact={listing.pk}",
            "change_url": admin_url("catalog_pricechange_change", change.pk) if change else "",
            "run_url": run_url(change.run_id) if change else "",
            "why_not_priced": "" if listing.unit_cost else "The unit cost is unknown: it is not priced automatically.",
        }

    def _limits_now(self, listing: Listing) -> list[list[str]]:
        """Return the guardrails in force today, each with the scope that it comes from."""
        facts = pricing_facts(
            channel=listing.channel,
            listings=Listing.objects.filter(pk=listing.pk).select_related("product"),
            now=timezone.now(),
        )
        return guardrail_rows(facts.limits_in_force(0), listing.channel)

    @display(description="Product", header=True, ordering="product__sku")
    def product_column(self, listing: Listing) -> list[str]:
        name, place = product_cell(listing)
        category = listing.product.category
        return [name, f"{place} · {category.name}" if category else place]

    @display(description="Price")
    def price_figure(self, listing: Any) -> str:
        change, channel = listing.change_in_force, listing.channel
        price = price_step(listing.price_in_force, change.previous_price if change else None, channel)
        return with_note(price, f"list {money(listing.list_price, channel)}")

    @display(description="Cost")
    def cost_figure(self, listing: Listing) -> str:
        cost = "unknown" if listing.unit_cost is None else money(listing.unit_cost, listing.channel, exact=True)
        return assumable(cost, listing.unit_cost_assumed)

    @display(description="Margin")
    def margin_figure(self, listing: Listing) -> str:
        return percent(margin(listing.price_in_force, listing.unit_cost))

    @display(description="Stock")
    def stock_figure(self, listing: Listing) -> str:
        stock = "not limited" if listing.inventory is None else number(listing.inventory)
        return assumable(stock, listing.inventory_assumed)

    @display(description="Source", label=SOURCE_COLOURS)
    def source_column(self, listing: Listing) -> str:
        return listing.get_price_source_display() or PriceSource.LIST_PRICE.label

    @display(description="Why this price")
    def reason_column(self, listing: Any) -> str:
        if listing.price is None:
            return sentence(LIST_PRICE)
        return sentence(change_in_words(listing.change_in_force, listing.channel))
