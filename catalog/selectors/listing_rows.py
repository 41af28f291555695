"""What pricing reads of a listing: as a model, or, where there are many, as a row of plain values."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from django.db.models import QuerySet

from catalog.models import Listing
from catalog.reading import read_rows

COLUMNS = {name: f"product__{name}" for name in ("category_id", "is_active", "is_kvi")}


class PricedProduct(Protocol):
    """What pricing reads of a product."""

    @property
    def category_id(self) -> int | None: ...
    @property
    def is_active(self) -> bool: ...
    @property
    def is_kvi(self) -> bool: ...


class PricedListing(Protocol):
    """What pricing reads of a listing; a `Listing` with its product has all of it."""

    @property
    def pk(self) -> Any: ...
    @property
    def product_id(self) -> int: ...
    @property
    def product(self) -> PricedProduct: ...
    @property
    def list_price(self) -> Decimal: ...
    @property
    def unit_cost(self) -> Decimal | None: ...
    @property
    def unit_cost_assumed(self) -> bool: ...
    @property
    def unit_cost_at(self) -> datetime | None: ...
    @property
    def inventory(self) -> int | None: ...
    @property
    def inventory_assumed(self) -> bool: ...
    @property
    def inventory_at(self) -> datetime | None: ...
    @property
    def price(self) -> Decimal | None: ...
    @property
    def price_version(self) -> int: ...
    @property
    def price_source(self) -> str: ...
    @property
    def price_since(self) -> datetime | None: ...
    @property
    def markdown_until(self) -> datetime | None: ...
    @property
    def price_in_force(self) -> Decimal: ...


class ProductRow(NamedTuple):
    """A product's part of a row."""

    category_id: int | None
    is_active: bool
    is_kvi: bool


class ListingRow(NamedTuple):
    """A listing with its product."""

    pk: int
    product_id: int
    list_price: Decimal
    unit_cost: Decimal | None
    unit_cost_assumed: bool
    unit_cost_at: datetime | None
    inventory: int | None
    inventory_assumed: bool
    inventory_at: datetime | None
    price: Decimal | None
    price_version: int
    price_source: str
    price_since: datetime | None
    markdown_until: datetime | None
    category_id: int | None
    is_active: bool
    is_kvi: bool

    @property
    def product(self) -> ProductRow:
        return ProductRow(self.category_id, self.is_active, self.is_kvi)

    @property
    def price_in_force(self) -> Decimal:
        return self.list_price if self.price is None else self.price


def listing_rows(listings: QuerySet[Listing]) -> list[ListingRow]:
    """Return the listings of a query in its order."""
    return read_rows(listings.select_related(None), ListingRow, COLUMNS)
