"""What all our admin pages share: they stay fast on a million rows, and read-only means read-only."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.views import ChangeList

from catalog.admin.paginator import OpenEndedPaginator
from catalog.models import Product

MATCHES_AT_MOST = 500
LETTERS_FOR_NAME_SEARCH = 3
MONEY_DECIMALS = 4


class PageChangeList(ChangeList):
    """A change list that hands its page over to the admin, which adds what other tables know about the rows."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count  # neither is known; unfold's heading shows them where they differ
        self.model_admin.complete_page(request, self.result_list)


class PlainDecimalField(forms.DecimalField):
    """Show an amount without needless decimals: 0.3800 is 0.38, 0.0125 stays, and a pack of 4.000 is 4."""

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Decimal):
            return value
        if self.decimal_places == MONEY_DECIMALS and value * 100 % 1 == 0:
            return f"{value:.2f}"
        return f"{value.normalize():f}"


PLAIN_DECIMALS: Any = {models.DecimalField: {"form_class": PlainDecimalField}}


class Named:
    """A row under the name that its page should have; the model's own text may not read other tables."""

    def __init__(self, row: Model, name: str) -> None:
        self._row, self._name = row, name

    def __str__(self) -> str:
        return self._name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._row, attribute)


class PricingModelAdmin(ModelAdmin):
    """Base of all our pages: no count(*), no sorting by a column without an index, no mass deletion."""

    paginator = OpenEndedPaginator
    formfield_overrides = PLAIN_DECIMALS
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # a facet is a count(*) for every choice of every filter
    list_per_page = 50
    list_fullwidth = True
    list_before_template = "catalog/admin/list_style.html"  # sets columns named …_figure at the right
    list_disable_select_all = True
    sortable_by: Sequence[str] = ()
    ordering: Sequence[str] = ("-pk",)
    warn_unsaved_form = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PageChangeList

    def complete_page(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Add to the rows of one page what its columns need from other tables, in a fixed number of queries."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": self.page_title, **(extra_context or {})})

    @property
    def page_title(self) -> str:
        """What a window is named after, instead of "Select … to change"."""
        return capfirst(str(self.opts.verbose_name_plural))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def name_of(self, row: Any) -> str:
        """Name a row in headings, messages and the log."""
        return str(row)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        response = super().render_change_form(request, context, *args, **kwargs)
        row = response.context_data.get("original")
        if row is not None:
            response.context_data |= {
                "title": self.page_title,
                "original": Named(row, self.name_of(row)),
                "subtitle": self.name_of(row),
            }
        return response

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return super().response_change(request, Named(obj, self.name_of(obj)))

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return super().response_add(request, Named(obj, self.name_of(obj)), post_url_continue)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_addition(request, Named(obj, self.name_of(obj)), message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_change(request, Named(obj, self.name_of(obj)), message)


class ReadOnlyAdmin(PricingModelAdmin):
    """Rows that only the software writes: nobody changes them here, superusers included."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SearchBySku(PricingModelAdmin):
    """Search that stays fast: SKUs by their beginning; only where none begins so, names that contain the text.

    At most 500 products are looked up, and their rows found by key. Measured over a million products: 30 ms to 0.1 s by
    SKU, 0.3 s by a part of a name that no product has (all names are read).
    """

    search_fields: Sequence[str] = ("listing__product__sku",)
    search_help_text = "SKU, or part of the product's name"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        products = products_matching(text)
        if len(products) == MATCHES_AT_MOST and "autocomplete" not in request.path:
            messages.info(request, f"More than {MATCHES_AT_MOST} products match: type more of the SKU or of the name.")
        path = self.search_fields[0].removesuffix("sku")
        return queryset.filter(**{f"{path}pk__in": products}), False


def products_matching(text: str) -> list[int]:
    """Return the keys of products whose SKU begins with a text or else whose name contains it; at most 500."""
    beginning = _any_beginning("sku", {text, text.upper(), text.lower()})
    found = list(Product.objects.filter(beginning).order_by("sku").values_list("pk", flat=True)[:MATCHES_AT_MOST])
    if found or len(text) < LETTERS_FOR_NAME_SEARCH:
        return found
    return list(Product.objects.filter(name__icontains=text).values_list("pk", flat=True)[:MATCHES_AT_MOST])


def _any_beginning(field: str, beginnings: set[str]) -> Q:
    condition = Q()
    for beginning in sorted(beginnings):
        condition |= Q(**{f"{field}__startswith": beginning})
    return condition


class AutocompleteFilter(AutocompleteSelectFilter):
    """Filter by a related row that is looked up while typing: no drop-down with thousands of entries."""

    template = "catalog/admin/filter_field.html"
