"""Which listing is in which arm of which experiment."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import listing_name, product_cell
from catalog.admin.formatting import NOTHING, money, number
from experiments.models import ExperimentUnit


@admin.register(ExperimentUnit)
class ExperimentUnitAdmin(ReadOnlyAdmin, SearchBySku):
    list_display = ("product_column", "experiment", "arm_column", "block_figure", "price_figure", "before_figure")
    list_select_related = ("listing__product", "listing__channel", "experiment", "arm")
    list_filter = ("experiment",)
    fields = ("product_column", "experiment", "arm_column", "block_figure", "price_figure", "before_figure")
    readonly_fields = fields

    def name_of(self, row: ExperimentUnit) -> str:
        return listing_name(row.listing)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    @display(description="Product", header=True)
    def product_column(self, row: ExperimentUnit) -> list[str]:
        return product_cell(row.listing)

    @display(description="Arm")
    def arm_column(self, row: ExperimentUnit) -> str:
        return row.arm.name if row.arm else "by region or slot"

    @display(description="Pair or block")
    def block_figure(self, row: ExperimentUnit) -> str:
        return number(row.block)

    @display(description="Price at the start")
    def price_figure(self, row: ExperimentUnit) -> str:
        return NOTHING if row.base_price is None else money(row.base_price, row.listing.channel)

    @display(description="Metric a day before")
    def before_figure(self, row: ExperimentUnit) -> str:
        return number(row.covariate, decimals=2)
