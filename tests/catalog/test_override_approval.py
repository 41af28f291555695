"""Overrides whose price needs a second person."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from catalog.models import ApprovalPolicy, Listing, PriceApproval, PriceOverride
from catalog.models.listing import PriceSource
from catalog.models.price_override import OverrideStatus
from catalog.override_requests import OverrideRequest
from catalog.services.apply_overrides import apply_due_overrides
from catalog.services.listing_facts import change_listing_facts
from catalog.services.overrides import cancel_override, schedule_override
from catalog.services.price_approvals import approve_price, reject_price
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db(transaction=True)

NINE = datetime(2026, 11, 27, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def boss():
    ApprovalPolicy.objects.create(max_change=Decimal("0.1"), expires_after_hours=24)
    return User.objects.create_user("boss")


@pytest.fixture
def risky(boss):
    """An override that halves a price, for an hour from nine; due, and parked by the gate."""
    listing = make_listing(list_price=Decimal("20.00"))
    publish(listing, "20.00", source=PriceSource.LIST_PRICE, now=NINE - HOUR)
    request = OverrideRequest(
        sku=listing.product.sku,
        price=Decimal("10.00"),
        reason="Trade fair",
        starts_at=NINE,
        ends_at=NINE + HOUR,
    )
    override = schedule_override(channel=listing.channel, request=request, now=NINE - HOUR, author=None)
    apply_due_overrides(now=NINE)
    override.refresh_from_db()
    return override


def price(override) -> str:
    return str(Listing.objects.get(pk=override.listing_id).price.quantize(Decimal("0.01")))


def waiting() -> PriceApproval:
    return PriceApproval.objects.get(status="waiting")


def state(override) -> str:
    return PriceOverride.objects.get(pk=override.pk).status


def test_it_waits_then_starts_and_reverts_by_itself(risky, boss):
    assert (state(risky), price(risky)) == (OverrideStatus.SCHEDULED, "20.00")
    apply_due_overrides(now=NINE + timedelta(minutes=1))  # asked again, it waits on and nothing spins
    assert PriceApproval.objects.count() == 1
    assert approve_price(approval_id=waiting().pk, by=boss, now=NINE + timedelta(minutes=5)).refused == ""
    assert price(risky) == "10.00"
    apply_due_overrides(now=NINE + timedelta(minutes=6))
    assert state(risky) == OverrideStatus.ACTIVE
    apply_due_overrides(now=NINE + HOUR)
    assert (state(risky), price(risky)) == (OverrideStatus.ENDED, "20.00")


def test_approved_at_the_last_minute_it_ends_on_time_all_the_same(risky, boss):
    approve_price(approval_id=waiting().pk, by=boss, now=NINE + timedelta(minutes=59))
    apply_due_overrides(now=NINE + HOUR)
    assert (state(risky), price(risky)) == (OverrideStatus.ENDED, "20.00")


def test_rejected_it_never_starts(risky, boss):
    reject_price(approval_id=waiting().pk, by=boss, now=NINE)
    apply_due_overrides(now=NINE + timedelta(minutes=1))
    risky.refresh_from_db()
    assert (risky.status, risky.refused_because, price(risky)) == (OverrideStatus.REFUSED, "not_approved", "20.00")


def test_once_its_time_is_over_nobody_can_approve_it(risky, boss):
    approval = waiting()
    assert approve_price(approval_id=approval.pk, by=boss, now=NINE + HOUR).refused == "over"
    apply_due_overrides(now=NINE + HOUR)
    assert (state(risky), price(risky)) == (OverrideStatus.REFUSED, "20.00")


def test_missed_while_it_waited_it_takes_its_request_back(risky):
    apply_due_overrides(now=NINE + HOUR)
    assert state(risky) == OverrideStatus.REFUSED
    assert PriceApproval.objects.get().status == PriceApproval.Status.SUPERSEDED


def test_cancelled_it_takes_its_request_back(risky):
    cancel_override(override_id=risky.pk, now=NINE, who="ann")
    assert PriceApproval.objects.get().status == PriceApproval.Status.SUPERSEDED


def test_cancelled_just_after_the_approval_its_price_reverts(risky, boss):
    approve_price(approval_id=waiting().pk, by=boss, now=NINE)
    cancel_override(override_id=risky.pk, now=NINE + timedelta(minutes=1), who="ann")
    assert (state(risky), price(risky)) == (OverrideStatus.CANCELLED, "20.00")


def test_a_risky_list_price_waits_and_is_stored_with_the_approval(boss):
    listing = make_listing(list_price=Decimal("20.00"))
    publish(listing, "20.00", source=PriceSource.LIST_PRICE, now=NINE - HOUR)
    ann = User.objects.create_user("ann")
    listing.list_price = Decimal("10.00")
    assert change_listing_facts(listing=listing, changed=["list_price"], author=ann, now=NINE) == "waits_for_approval"
    stored = Listing.objects.get(pk=listing.pk)
    assert (stored.list_price, stored.price) == (Decimal("20.00"), Decimal("20.00"))
    assert approve_price(approval_id=waiting().pk, by=boss, now=NINE).refused == ""
    stored.refresh_from_db()
    assert (stored.list_price, stored.price) == (Decimal("10.00"), Decimal("10.00"))
