"""The step rules: read from the ledger, and checked again by the gate for automatic prices."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.guardrails import MISSING
from catalog.models import CompetitorPrice, GuardrailPolicy, Listing
from catalog.models.listing import PriceSource
from catalog.selectors.competitors import competitor_reference_prices
from catalog.selectors.days import PriceDay, price_days
from catalog.selectors.pricing_facts import pricing_facts
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def hours_ago(hours):
    return NOW - timedelta(hours=hours)


def published(*steps, **fields):
    listing = make_listing(**fields)
    for hours, price in steps:
        publish(listing, price, source=PriceSource.OVERRIDE, now=hours_ago(hours))
    # A person's price would keep automatic ones away.
    Listing.objects.filter(pk=listing.pk).update(price_source=PriceSource.OPTIMIZER)
    listing.refresh_from_db()
    return listing


def test_a_day_begins_with_the_price_in_force_24_hours_ago():
    old = published((30, "11.00"), (25, "10.50"), (20, "11.50"), (1, "12.00"))
    new = published((20, "11.00"))
    listed = make_listing()
    publish(listed, "10.00", source=PriceSource.LIST_PRICE, now=hours_ago(3))
    never = make_listing()
    with CaptureQueriesContext(connection) as queries:
        days = price_days(listing_ids=[old.pk, new.pk, listed.pk, never.pk], now=NOW)
    assert len(queries) == 1
    assert days == {
        old.pk: PriceDay(Decimal("10.5000"), 2),
        new.pk: PriceDay(Decimal("10.0000"), 1),  # before its first row the list price was in force
        listed.pk: PriceDay(Decimal("10.0000"), 0),
    }


def test_the_ledger_is_read_only_where_a_limit_of_a_day_applies_and_something_changed():
    moved, still = published((3, "11.00")), published((40, "12.00"))
    free = pricing_facts(channel=moved.channel, listings=Listing.objects.order_by("pk"), now=NOW)
    assert set(free.facts.changes_today.tolist()) == {MISSING}
    GuardrailPolicy.objects.create(max_changes_per_day=3, max_change_per_day=Decimal("0.3"))
    facts = pricing_facts(channel=moved.channel, listings=Listing.objects.order_by("pk"), now=NOW).facts
    assert facts.changes_today.tolist() == [1, 0]
    assert facts.day_start_ticks.tolist() == [1000, 1200]
    with CaptureQueriesContext(connection) as queries:
        pricing_facts(channel=still.channel, listings=Listing.objects.filter(pk=still.pk), now=NOW)
    assert not any("catalog_pricechange" in query["sql"] for query in queries)


def test_an_automatic_step_beyond_the_maximum_change_is_refused_by_name():
    listing = make_listing()
    assert publish(listing, "12.01").refused == {listing.pk: "max_change"}
    assert publish(listing, "12.00").published


def test_an_automatic_price_keeps_the_limit_of_a_day():
    GuardrailPolicy.objects.create(max_change_per_day=Decimal("0.25"))
    listing = published((20, "12.00"))
    assert publish(listing, "12.51", now=NOW).refused == {listing.pk: "max_change_per_day"}
    assert publish(listing, "12.50", now=NOW).published
    tomorrow = NOW + timedelta(hours=5)  # 25 hours after the first step
    assert publish(listing, "14.99", now=tomorrow).published


def test_used_up_changes_refuse_the_next_automatic_one_until_a_day_has_passed():
    GuardrailPolicy.objects.create(max_changes_per_day=2)
    listing = published((20, "10.50"), (10, "10.80"))
    assert publish(listing, "11.00", now=NOW).refused == {listing.pk: "changes_per_day"}
    assert publish(listing, "11.00", now=NOW + timedelta(hours=5)).published


@pytest.mark.parametrize("source", [PriceSource.OVERRIDE, PriceSource.ROLLBACK, PriceSource.LIST_PRICE])
def test_persons_and_rollbacks_may_take_any_step(source):
    GuardrailPolicy.objects.create(max_changes_per_day=0, max_change_per_day=Decimal("0.01"))
    listing = published((2, "11.00"))
    assert publish(listing, "20.00", source=source, now=NOW).published


def test_a_cost_that_forces_the_move_passes_exactly_at_the_floor_and_no_further():
    GuardrailPolicy.objects.create(max_changes_per_day=0, max_change_per_day=Decimal("0.01"))
    listing = published((2, "11.00"))
    Listing.objects.filter(pk=listing.pk).update(unit_cost=Decimal("17.00"))
    assert publish(listing, "19.99", now=NOW).refused == {listing.pk: "min_margin"}
    assert publish(listing, "20.01", now=NOW).refused == {listing.pk: "changes_per_day"}
    assert publish(listing, "20.00", now=NOW).published


def test_own_offers_are_no_competitors():
    channel = make_channel("market", own_sellers=["Our Shop", "OURS-OUTLET"])
    listing = make_listing(channel=channel)
    for name, price in [("our shop", "8.00"), ("ours-outlet", "8.10"), ("Rival", "9.50")]:
        CompetitorPrice.objects.create(listing=listing, competitor=name, price=Decimal(price), observed_at=hours_ago(1))
    assert competitor_reference_prices(listing_ids=[listing.pk], now=NOW)[listing.pk][0] == Decimal("9.50")
    CompetitorPrice.objects.filter(competitor="Rival").delete()
    assert competitor_reference_prices(listing_ids=[listing.pk], now=NOW) == {}
