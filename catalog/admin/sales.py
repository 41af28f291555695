"""What was sold and under which conditions, what competitors ask, and which files were read."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from catalog.admin.base import PricingModelAdmin, ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import assumable, listing_name, product_cell
from catalog.admin.formatting import moment, money, number, percent
from catalog.models import (
    Channel,
    CompetitorOffer,
    CompetitorPrice,
    DailySales,
    Listing,
    SalesImport,
    WeekConditions,
    WeeklySales,
)
from catalog.services.competitor_offers import store_offer


@admin.register(WeeklySales)
class WeeklySalesAdmin(ReadOnlyAdmin, SearchBySku):
    list_display = ("product_column", "week", "units_figure", "price_figure", "revenue_figure", "orders_figure")
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel")
    list_filter = ("listing__channel",)

    def name_of(self, row: WeeklySales) -> str:
        return f"{listing_name(row.listing)}, week of {row.week:%-d %b %Y}"

    @display(description="Product", header=True)
    def product_column(self, sales: WeeklySales) -> list[str]:
        return product_cell(sales.listing)

    @display(description="Units")
    def units_figure(self, sales: WeeklySales) -> str:
        return number(sales.units)

    @display(description="Median price")
    def price_figure(self, sales: WeeklySales) -> str:
        return money(sales.price, sales.listing.channel)

    @display(description="Revenue")
    def revenue_figure(self, sales: WeeklySales) -> str:
        return money(sales.revenue, sales.listing.channel)

    @display(description="Orders")
    def orders_figure(self, sales: WeeklySales) -> str:
        return number(sales.orders)


@admin.register(DailySales)
class DailySalesAdmin(ReadOnlyAdmin, SearchBySku):
    list_display = ("product_column", "day", "units_figure", "revenue_figure")
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel")
    list_filter = ("listing__channel",)

    def name_of(self, row: DailySales) -> str:
        return f"{listing_name(row.listing)}, {row.day:%-d %b %Y}"

    @display(description="Product", header=True)
    def product_column(self, sales: DailySales) -> list[str]:
        return product_cell(sales.listing)

    @display(description="Units")
    def units_figure(self, sales: DailySales) -> str:
        return number(sales.units)

    @display(description="Revenue")
    def revenue_figure(self, sales: DailySales) -> str:
        return money(sales.revenue, sales.listing.channel)


@admin.register(WeekConditions)
class WeekConditionsAdmin(ReadOnlyAdmin, SearchBySku):
    list_display = ("product_column", "week", "promotion_figure", "stocked_out")
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel")
    list_filter = ("listing__channel", "stocked_out")

    def name_of(self, row: WeekConditions) -> str:
        return f"{listing_name(row.listing)}, week of {row.week:%-d %b %Y}"

    @display(description="Product", header=True)
    def product_column(self, conditions: WeekConditions) -> list[str]:
        return product_cell(conditions.listing)

    @display(description="On promotion")
    def promotion_figure(self, conditions: WeekConditions) -> str:
        return percent(conditions.promotion)


class CompetitorPriceForm(forms.ModelForm):
    """A new offer names its listing by SKU and channel: no drop-down could hold all of them."""

    sku = forms.CharField(label="SKU", max_length=64, widget=UnfoldAdminTextInputWidget())
    channel = forms.ModelChoiceField(Channel.objects.all(), widget=UnfoldAdminSelectWidget())

    class Meta:
        model = CompetitorPrice
        fields = ("competitor", "price")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["sku"], self.fields["channel"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.instance.pk is None and cleaned.get("sku") and cleaned.get("channel"):
            sku, channel = cleaned["sku"].strip(), cleaned["channel"]
            listing = Listing.objects.filter(product__sku=sku, channel=channel).first()
            if listing is None:
                self.add_error("sku", f"The channel {channel.code} has no SKU {sku}.")
            else:
                self.instance.listing = listing
                self._require_new_competitor(listing, cleaned.get("competitor"))
        if cleaned.get("price") is not None and cleaned["price"] <= 0:
            self.add_error("price", "Zero is not a price: delete the offer if the competitor no longer has it.")
        return cleaned

    def _require_new_competitor(self, listing: Listing, competitor: str | None) -> None:
        if competitor and CompetitorPrice.objects.filter(listing=listing, competitor=competitor).exists():
            self.add_error("competitor", "This competitor's offer is known already: edit that one.")


@admin.register(CompetitorPrice)
class CompetitorPriceAdmin(SearchBySku):
    form = CompetitorPriceForm
    list_display = ("product_column", "competitor", "price_figure", "observed_column")
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel")
    list_filter = ("listing__channel", "assumed")

    def name_of(self, row: CompetitorPrice) -> str:
        return f"{row.competitor}, {listing_name(row.listing)}"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("listing__product", "listing__channel")

    def get_fieldsets(self, request: HttpRequest, obj: CompetitorPrice | None = None) -> Any:
        where = ("listing_text",) if obj else ("sku", "channel")
        return ((None, {"fields": (*where, "competitor", "price")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: CompetitorPrice | None = None) -> tuple[str, ...]:
        return ("listing_text", "competitor") if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        # The two extra fields belong to the form class, not to the model.
        return super().get_form(request, obj, change, **{**kwargs, "fields": ["competitor", "price"]})

    def save_model(self, request: HttpRequest, obj: CompetitorPrice, form: Any, change: bool) -> None:
        store_offer(offer=obj, now=timezone.now())

    @admin.display(description="Product")
    def listing_text(self, offer: CompetitorPrice) -> str:
        return f"{listing_name(offer.listing)}: {offer.listing.product.name}"

    @display(description="Product", header=True)
    def product_column(self, offer: CompetitorPrice) -> list[str]:
        return product_cell(offer.listing)

    @display(description="Price")
    def price_figure(self, offer: CompetitorPrice) -> str:
        return assumable(money(offer.price, offer.listing.channel), offer.assumed)

    @display(description="Seen")
    def observed_column(self, offer: CompetitorPrice) -> str:
        return moment(offer.observed_at)


@admin.register(CompetitorOffer)
class CompetitorOfferAdmin(ReadOnlyAdmin, SearchBySku):
    list_display = ("product_column", "competitor", "price_figure", "observed_column")
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel")
    list_filter = ("listing__channel",)

    def name_of(self, row: CompetitorOffer) -> str:
        return f"{row.competitor}, {listing_name(row.listing)}, {moment(row.observed_at)}"

    @display(description="Product", header=True)
    def product_column(self, offer: CompetitorOffer) -> list[str]:
        return product_cell(offer.listing)

    @display(description="Price")
    def price_figure(self, offer: CompetitorOffer) -> str:
        return money(offer.price, offer.listing.channel)

    @display(description="Seen")
    def observed_column(self, offer: CompetitorOffer) -> str:
        return moment(offer.observed_at)


@admin.register(SalesImport)
class SalesImportAdmin(ReadOnlyAdmin, PricingModelAdmin):
    list_display = ("file_name", "channel", "imported_column", "read_figure", "kept_figure", "rejected_figure")
    list_select_related = ("channel",)
    fieldsets = (
        (None, {"fields": ("file_name", "channel", "imported_column", "sha256", "rules_version")}),
        ("Rows", {"fields": ("read_figure", "kept_figure", "rejected_text", "products", "weeks")}),
    )
    readonly_fields = ("imported_column", "read_figure", "kept_figure", "rejected_text")

    @display(description="Imported")
    def imported_column(self, done: SalesImport) -> str:
        return moment(done.imported_at)

    @display(description="Rows read")
    def read_figure(self, done: SalesImport) -> str:
        return number(done.rows_read)

    @display(description="Rows kept")
    def kept_figure(self, done: SalesImport) -> str:
        return number(done.rows_kept)

    @display(description="Rejected")
    def rejected_figure(self, done: SalesImport) -> str:
        return number(done.rows_read - done.rows_kept)

    @display(description="Rejected, by reason")
    def rejected_text(self, done: SalesImport) -> str:
        counts = done.rejected.items() if isinstance(done.rejected, dict) else ()
        return ", ".join(f"{str(reason).replace('_', ' ')}: {number(count)}" for reason, count in counts) or "none"
