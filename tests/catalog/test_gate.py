from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catalog.gate import Proposal, publish_prices
from catalog.models import GuardrailPolicy, Listing, PriceChange
from catalog.models.listing import PriceSource
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db


def test_publish_appends_a_ledger_row_and_moves_the_listing():
    listing = make_listing()
    report = publish(listing, "10.50", binding_rule="own_optimum")
    assert report.published == [listing.pk]
    assert (listing.price, listing.price_version, listing.price_source) == (Decimal("10.50"), 1, "optimizer")
    change = PriceChange.objects.get()
    assert (change.version, change.price, change.previous_price) == (1, Decimal("10.50"), Decimal("10.00"))
    assert change.floor == Decimal("7.06")  # 6.00 / (1 - 0.15), rounded up to a penny


def test_the_same_decision_is_published_once():
    listing = make_listing()
    publish(listing, "10.50", idempotency_key="run-1")
    report = publish(listing, "11.00", idempotency_key="run-1")
    assert report.already_published == [listing.pk] and not report.published and not report.refused
    assert listing.price == Decimal("10.50")
    assert PriceChange.objects.count() == 1


def test_a_price_that_is_in_force_already_adds_no_row():
    listing = make_listing()
    publish(listing, "10.50")
    assert publish(listing, "10.50").unchanged == [listing.pk]
    assert PriceChange.objects.count() == 1


@pytest.mark.parametrize(("price", "rule"), [("5.99", "loss_floor"), ("7.05", "min_margin"), ("0.01", "loss_floor")])
def test_an_automatic_price_below_a_hard_floor_is_refused_by_name(price, rule):
    listing = make_listing()
    assert publish(listing, price).refused == {listing.pk: rule}
    assert listing.price is None and not PriceChange.objects.exists()


def test_a_cost_that_rose_after_the_decision_refuses_the_price():
    listing = make_listing()
    Listing.objects.filter(pk=listing.pk).update(unit_cost=Decimal("9.80"))
    assert publish(listing, "10.50").refused == {listing.pk: "min_margin"}


@pytest.mark.parametrize("cost", [None, Decimal(0)])
def test_a_sku_without_a_cost_gets_no_automatic_price(cost):
    listing = make_listing(unit_cost=cost)
    assert publish(listing, "10.50").refused == {listing.pk: "missing_cost"}


def test_a_list_price_needs_no_cost_but_may_not_lose_money_where_it_is_known():
    without, below = make_listing(unit_cost=None), make_listing()
    assert publish(without, "10.00", source=PriceSource.LIST_PRICE).published
    assert PriceChange.objects.get(listing=without).floor is None
    assert publish(below, "5.00", source=PriceSource.LIST_PRICE).refused == {below.pk: "loss_floor"}


def test_a_decision_on_an_older_price_is_refused():
    listing = make_listing()
    publish(listing, "10.50")
    report = publish(listing, "10.80", expected_version=0)
    assert report.refused == {listing.pk: "price_changed_meanwhile"}


def test_a_narrower_policy_wins():
    listing = make_listing()
    GuardrailPolicy.objects.create(ceiling=Decimal("10.00"), currency="GBP")
    assert publish(listing, "10.50").refused == {listing.pk: "ceiling"}
    GuardrailPolicy.objects.create(product=listing.product, ceiling=Decimal("12.00"), currency="GBP")
    assert publish(listing, "10.50").published


def test_unknown_listings_and_other_channels_are_refused():
    listing = make_listing(channel=make_channel("de", currency="EUR", country="DE"))
    report = publish_prices(
        channel=make_channel(),
        proposals=[Proposal(listing.pk, Decimal("10.50"), "a", 0), Proposal(999_999, Decimal("10.50"), "b", 0)],
        source=PriceSource.OPTIMIZER,
        now=timezone.now(),
    )
    assert report.refused == {listing.pk: "unknown_listing", 999_999: "unknown_listing"}


def test_two_proposals_for_one_listing_are_an_error():
    listing = make_listing()
    proposals = [Proposal(listing.pk, Decimal("10.50"), "a"), Proposal(listing.pk, Decimal("10.60"), "b")]
    with pytest.raises(ValueError, match="two proposals"):
        publish_prices(channel=listing.channel, proposals=proposals, source=PriceSource.OPTIMIZER, now=timezone.now())


def test_the_database_refuses_a_price_below_its_floor_whoever_writes():
    listing = make_listing(unit_cost=None)
    with pytest.raises(IntegrityError, match="ledger_price_not_below_floor"):
        PriceChange.objects.create(
            listing=listing, version=1, price=1, prior_price=1, floor=2, valid_from=timezone.now(), source="override"
        )


@pytest.mark.parametrize(
    "statement",
    ["UPDATE catalog_pricechange SET price = 1", "DELETE FROM catalog_pricechange"],
)
def test_the_ledger_is_append_only(statement):
    publish(make_listing(), "10.50")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_ledger_cannot_be_truncated_in_production():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL pricing.ledger_may_be_emptied = 'off'")
        with pytest.raises(IntegrityError, match="append-only"):
            cursor.execute("TRUNCATE catalog_pricechange")
        transaction.set_rollback(True)


def test_the_prior_price_is_the_lowest_of_thirty_days_before():
    listing = make_listing()
    start = timezone.now() - timedelta(days=60)
    for day, price in [(0, "8.00"), (40, "10.00"), (50, "9.00")]:
        publish(listing, price, source=PriceSource.OVERRIDE, now=start + timedelta(days=day))
    # 80 -> 100 -> 90 within 30 days: the row in force when the window opened counts.
    assert PriceChange.objects.get(version=3).prior_price == Decimal("8.00")


def test_the_list_price_is_the_prior_price_of_a_first_reduction():
    listing = make_listing()
    publish(listing, "9.00")
    change = PriceChange.objects.get()
    assert (change.previous_price, change.prior_price) == (Decimal("10.00"), Decimal("10.00"))


def test_a_first_list_price_has_nothing_before_it():
    publish(make_listing(), "10.00", source=PriceSource.LIST_PRICE)
    assert PriceChange.objects.get().previous_price is None


def test_an_automatic_price_must_say_what_it_was_decided_on():
    listing = make_listing()
    with pytest.raises(ValueError, match="expected_version"):
        publish(listing, "10.50", expected_version=None)


def test_an_automatic_price_does_not_replace_an_override():
    listing = make_listing()
    publish(listing, "10.50", source=PriceSource.OVERRIDE)
    assert publish(listing, "10.80").refused == {listing.pk: "overridden"}
    assert publish(listing, "10.90", source=PriceSource.OVERRIDE).published


def test_a_rollback_keeps_all_hard_rules():
    listing = make_listing()
    GuardrailPolicy.objects.create(map_price=Decimal("9.50"), currency="GBP")
    assert publish(listing, "9.00", source=PriceSource.ROLLBACK).refused == {listing.pk: "map"}


def test_a_price_between_two_minor_units_is_refused():
    japan = make_listing(channel=make_channel("jp", currency="JPY", country="JP", currency_exponent=0), list_price=1500)
    assert publish(japan, "1600.4").refused == {japan.pk: "not_a_minor_unit"}
    pounds = make_listing()
    assert publish(pounds, "9.995", source=PriceSource.LIST_PRICE).refused == {pounds.pk: "not_a_minor_unit"}


def test_a_cost_between_two_minor_units_counts_in_full():
    yen = make_channel("jp", currency="JPY", country="JP", currency_exponent=0)
    GuardrailPolicy.objects.create(min_margin=0)
    listing = make_listing(channel=yen, list_price=100, unit_cost=Decimal("100.004"))
    assert publish(listing, "100").refused == {listing.pk: "loss_floor"}
    assert publish(listing, "101").published


def test_an_inactive_product_is_not_priced():
    listing = make_listing(is_active=False)
    assert publish(listing, "10.50").refused == {listing.pk: "inactive"}


def test_amounts_of_a_policy_apply_in_their_currency_only_and_rounding_never_loosens_them():
    GuardrailPolicy.objects.create(floor=Decimal("9.9949"), ceiling=Decimal("10.5051"), currency="GBP")
    pounds = make_listing()
    assert publish(pounds, "9.99").refused == {pounds.pk: "floor"}
    assert publish(pounds, "10.51").refused == {pounds.pk: "ceiling"}
    assert publish(pounds, "10.00").published
    yen = make_listing(channel=make_channel("jp", currency="JPY", country="JP", currency_exponent=0), list_price=1500)
    assert publish(yen, "1600").published


def test_history_never_runs_backwards():
    listing, now = make_listing(), timezone.now()
    publish(listing, "8.00", now=now + timedelta(seconds=30))
    publish(listing, "9.00", now=now + timedelta(seconds=60))
    publish(listing, "8.50", now=now + timedelta(seconds=10))
    change = PriceChange.objects.get(version=3)
    assert change.valid_from == now + timedelta(seconds=60) and change.prior_price == Decimal("8.00")


def test_the_list_price_before_the_first_row_counts_for_thirty_days():
    # 80 -> 100 -> 90 within 30 days, the first of them only a list price
    listing, start = make_listing(list_price=Decimal("8.00")), timezone.now() - timedelta(days=20)
    publish(listing, "10.00", source=PriceSource.OVERRIDE, now=start)
    publish(listing, "9.00", source=PriceSource.OVERRIDE, now=start + timedelta(days=5))
    assert PriceChange.objects.get(version=2).prior_price == Decimal("8.00")
