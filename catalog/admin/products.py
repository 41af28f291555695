"""Products, categories and channels: the shop's structure."""

from typing import Any

from django.contrib import admin
from django.contrib.postgres.fields import ArrayField
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from catalog.admin.base import PLAIN_DECIMALS, AutocompleteFilter, PricingModelAdmin, SearchBySku
from catalog.admin.cells import admin_url
from catalog.models import Category, Channel, Product
from catalog.services.price_laws import store_channel
from catalog.services.products import store_product


@admin.register(Product)
class ProductAdmin(SearchBySku):
    search_fields = ("sku",)
    list_display = ("sku", "name", "gtin", "category", "is_active", "is_kvi")
    list_select_related = ("category",)
    list_filter = ("is_active", "is_kvi", ("category", AutocompleteFilter))
    list_filter_submit = True
    sortable_by = ("sku",)
    ordering = ("sku",)
    autocomplete_fields = ("category",)

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        store_product(product=obj, changed=form.changed_data)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # make it inactive instead: its prices stay in the ledger

    def get_readonly_fields(self, request: HttpRequest, obj: Product | None = None) -> tuple[str, ...]:
        return ("sku",) if obj else ()


@admin.register(Category)
class CategoryAdmin(PricingModelAdmin):
    list_display = ("name", "code", "assumed")
    search_fields = ("name", "code")
    ordering = ("name",)
    prepopulated_fields = {"code": ("name",)}
    readonly_fields = ("assumed",)

    def has_delete_permission(self, request: HttpRequest, obj: Category | None = None) -> bool:
        return obj is not None and super().has_delete_permission(request, obj) and not obj.products.exists()


@admin.register(Channel)
class ChannelAdmin(PricingModelAdmin):
    list_display = ("code", "name", "currency", "country", "listings_column")
    search_fields = ("code", "name")
    ordering = ("code",)
    formfield_overrides = PLAIN_DECIMALS | {ArrayField: {"widget": UnfoldAdminTextInputWidget}}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # prices were published in it

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        store_channel(channel=obj, changed=form.changed_data)

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> tuple[str, ...]:
        return ("code", "currency", "currency_exponent") if obj else ()  # stored amounts are in this currency

    @display(description="Prices")
    def listings_column(self, channel: Channel) -> Any:
        url = f"{admin_url('catalog_listing_changelist')}?channel__id__exact={channel.pk}"
        return format_html('<a class="text-link" href="{}">show its prices</a>', url)
