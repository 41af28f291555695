"""Purges of old prices: what was taken out of the ledger, by whom and up to when. Nobody changes it here."""

from django.contrib import admin
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.formatting import moment, number
from catalog.models import LedgerPurge


@admin.register(LedgerPurge)
class LedgerPurgeAdmin(ReadOnlyAdmin):
    list_display = ("made_column", "made_by", "cut_off_column", "rows_figure", "listings_column")
    list_display_links = ("made_column",)
    list_filter = ("made_at",)
    fieldsets = (
        (None, {"fields": ("made_column", "made_by", "cut_off_column", "rows_figure", "listings_column")}),
        ("To prove what was removed", {"fields": ("digest",)}),
    )
    readonly_fields = ("made_column", "cut_off_column", "rows_figure", "listings_column")

    def name_of(self, row: LedgerPurge) -> str:
        return f"Purge of {moment(row.made_at)}"

    @display(description="Made")
    def made_column(self, row: LedgerPurge) -> str:
        return moment(row.made_at)

    @display(description="Prices can be judged from")
    def cut_off_column(self, row: LedgerPurge) -> str:
        return moment(row.cut_off)

    @display(description="Prices removed")
    def rows_figure(self, row: LedgerPurge) -> str:
        return number(row.rows)

    @display(description="Listings, by number")
    def listings_column(self, row: LedgerPurge) -> str:
        return f"{row.first_listing} to {row.last_listing}"
