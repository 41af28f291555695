"""Which products take sales from each other, as training jobs learned it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin, SearchBySku
from catalog.admin.cells import listing_name, product_cell
from catalog.admin.formatting import percent
from optimizer.models import CrossElasticity


@admin.register(CrossElasticity)
class CrossElasticityAdmin(ReadOnlyAdmin, SearchBySku):
    list_display = ("product_column", "other_column", "elasticity_figure", "probability_figure", "job")
    list_display_links = ("product_column",)
    list_select_related = ("listing__product", "listing__channel", "other__product", "other__channel", "job")
    fields = ("product_column", "other_column", "elasticity_figure", "probability_figure", "job")
    readonly_fields = ("product_column", "other_column", "elasticity_figure", "probability_figure")

    def name_of(self, row: CrossElasticity) -> str:
        return f"{listing_name(row.listing)} in the price of {listing_name(row.other)}"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "job__exact" or super().lookup_allowed(lookup, value, request)

    @display(description="Product", header=True)
    def product_column(self, row: CrossElasticity) -> list[str]:
        return product_cell(row.listing)

    @display(description="Its sales in the price of", header=True)
    def other_column(self, row: CrossElasticity) -> list[str]:
        return product_cell(row.other)

    @display(description="Elasticity")
    def elasticity_figure(self, row: CrossElasticity) -> str:
        return f"{row.mean:+.2f} ± {row.sd:.2f}".replace("-", "\N{MINUS SIGN}")

    @display(description="Probability")
    def probability_figure(self, row: CrossElasticity) -> str:
        return percent(row.probability, decimals=0)
