from dataclasses import dataclass
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from catalog import copying
from catalog.copying import copy_changes, copy_rows
from catalog.models import CompetitorPrice, PriceChange, Product
from catalog.models.listing import PriceSource
from tests.factories import make_listing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True, params=[0, 100])
def by_copy_and_by_insert(request, monkeypatch):
    monkeypatch.setattr(copying, "FEW", request.param)


def change(listing, **fields):
    values = {"version": 1, "price": Decimal("9.99"), "prior_price": Decimal("9.99"), "source": PriceSource.OPTIMIZER}
    values |= {"idempotency_key": "k", "valid_from": listing.unit_cost_at, "previous_price": Decimal("10.00")}
    return PriceChange(listing=listing, **values | fields)


def test_rows_are_stored_as_they_were_given_and_know_their_keys():
    made = [Product(sku=f"T{number}", name='tab\t, "quote", \\ and\nline', is_kvi=number == 1) for number in range(3)]
    copy_rows(Product, made)
    for row in made:
        stored = Product.objects.get(pk=row.pk)
        assert (stored.sku, stored.name, stored.is_kvi) == (row.sku, row.name, row.is_kvi)
    made[0].name = "renamed"
    made[0].save()
    assert Product.objects.get(sku="T0").name == "renamed"


def test_json_nulls_and_decimals_come_back_the_same():
    listing = make_listing()
    explanation = {"text": "back\\slash\ttab ü", "list": [1, 2.5, None], "nested": {"at": "2026-11-26"}}
    row = change(listing, explanation=explanation, previous_price=None, price=Decimal("12.3456"))
    copy_rows(PriceChange, [row])
    stored = PriceChange.objects.get(pk=row.pk)
    assert stored.explanation == explanation and stored.previous_price is None and stored.price == Decimal("12.3456")
    assert stored.author is None and len(stored.row_hash) == 32  # the trigger's, not a copy of nothing


def test_a_broken_constraint_or_trigger_is_an_integrity_error_and_stores_nothing():
    one, two = make_listing(), make_listing()
    with pytest.raises(IntegrityError, match="below its unit cost"), transaction.atomic():
        copy_rows(PriceChange, [change(one), change(two, price=Decimal("1.00"))])
    assert not PriceChange.objects.exists()
    with pytest.raises(IntegrityError, match="once_per_listing"), transaction.atomic():
        offer = {"listing": one, "competitor": "x", "price": Decimal(1), "observed_at": one.unit_cost_at}
        copy_rows(CompetitorPrice, [CompetitorPrice(**offer), CompetitorPrice(**offer)])


def test_nothing_is_nothing():
    copy_rows(Product, [])
    copy_changes([], ["name"])


def test_the_named_fields_of_rows_are_changed_and_no_others():
    rows = [make_listing().product for _ in range(3)]
    untouched = make_listing().product
    for number, row in enumerate(rows):
        row.name, row.sku = f"new\t{number}", "not asked for"
    copy_changes(rows, ["name"])
    copy_changes(rows[:1], ["name"])
    for number, row in enumerate(rows):
        stored = Product.objects.get(pk=row.pk)
        assert stored.name == f"new\t{number}" and stored.sku != "not asked for"
    assert Product.objects.get(pk=untouched.pk).name == untouched.name


def test_a_change_that_breaks_a_constraint_changes_nothing():
    one, two = make_listing(), make_listing()
    one.list_price, two.list_price = Decimal("11.00"), Decimal("-1.00")
    with pytest.raises(IntegrityError, match="listing_list_price_positive"), transaction.atomic():
        copy_changes([one, two], ["list_price"])
    one.refresh_from_db()
    assert one.list_price == Decimal("10.00")


@dataclass
class ProductRow:
    sku: str
    name: str
    is_active: bool = True
    is_kvi: bool = False
    category_id: int | None = None
    id: int | None = None


def test_plain_rows_are_stored_like_instances():
    rows = [ProductRow(f"P{number}", f"plain {number}") for number in range(3)]
    copy_rows(Product, rows)
    assert {row.id: row.name for row in rows} == dict(Product.objects.values_list("pk", "name"))
