from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from catalog.admin.reasons import change_in_words
from catalog.models import ApprovalPolicy, Category, Listing, PriceApproval, PriceChange
from catalog.models.listing import PriceSource
from catalog.services.arms import Arm, serve_arms
from catalog.services.kill_switches import flip_kill_switch
from catalog.services.price_approvals import (
    NotWaiting,
    OwnRequest,
    approve_price,
    approve_prices,
    expire_approvals,
    reject_price,
    reject_prices,
)
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db

OVERRIDE = PriceSource.OVERRIDE


@pytest.fixture
def policy():
    return ApprovalPolicy.objects.create(max_change="0.1")


@pytest.fixture
def anna():
    return User.objects.create_superuser("anna")


@pytest.fixture
def bert():
    return User.objects.create_superuser("bert")


def approve(approval, by, **fields):
    return approve_price(approval_id=approval.pk, by=by, **{"now": timezone.now()} | fields)


def parked(price="12.00", **fields):
    listing = make_listing()
    report = publish(listing, price, **fields)
    assert report.waiting == [listing.pk] and not report.published
    return PriceApproval.objects.get(listing=listing)


def test_a_risky_price_waits_and_is_published_when_somebody_else_approves(policy, anna, bert):
    approval = parked(source=OVERRIDE, author=anna, reason="Supplier raised the cost")
    assert approval.listing.price is None
    assert approval.risks == ["the price moves by 20 %, more than 10 %"]
    assert (approval.requested_by, approval.change) == (anna, Decimal("0.2"))
    decision = approve(approval, bert, comment="fine")
    assert not decision.refused
    change = PriceChange.objects.get()
    assert (change.price, change.author, change.approved_by) == (Decimal("12.00"), anna, bert)
    words = change_in_words(change, approval.listing.channel)
    assert words == "Raised to £12.00 by anna: Supplier raised the cost; approved by bert"
    approval.refresh_from_db()
    assert (approval.status, approval.decided_by, approval.comment) == ("approved", bert, "fine")


def test_what_is_small_or_not_covered_passes(policy):
    assert publish(make_listing(), "11.00").published
    assert publish(make_listing(), "12.00", source=PriceSource.ROLLBACK).published


def test_without_a_policy_everything_passes():
    assert publish(make_listing(), "12.00").published


def test_whoever_asked_cannot_decide_superusers_included(policy, anna):
    approval = parked(source=OVERRIDE, author=anna)
    for decide in (approve_price, reject_price):
        with pytest.raises(OwnRequest, match="somebody else"):
            decide(approval_id=approval.pk, by=anna, now=timezone.now())
    with pytest.raises(IntegrityError, match="approval_by_a_second_person"), transaction.atomic():
        PriceApproval.objects.update(status="approved", decided_by=anna, decided_at=timezone.now())


def test_an_automatic_price_may_be_approved_by_anybody_who_may(policy, anna):
    approval = parked(author=anna)  # anna only started the run
    assert approval.requested_by is None
    assert not approve(approval, anna).refused
    assert PriceChange.objects.get().source == "optimizer"


def test_the_same_decision_is_parked_once_and_refused_after_a_no(policy, anna):
    approval = parked(idempotency_key="run-1")
    assert publish(approval.listing, "12.00", idempotency_key="run-1").waiting == [approval.listing_id]
    reject_price(approval_id=approval.pk, by=anna, now=timezone.now(), comment="too dear")
    report = publish(approval.listing, "12.00", idempotency_key="run-1")
    assert report.refused == {approval.listing_id: "not_approved"}
    assert PriceApproval.objects.count() == 1 and not PriceChange.objects.exists()


def test_an_approved_decision_is_published_once(policy, anna):
    approval = parked(idempotency_key="run-1")
    approve(approval, anna)
    assert publish(approval.listing, "12.00", idempotency_key="run-1").already_published == [approval.listing_id]
    with pytest.raises(NotWaiting, match="approved by anna"):
        approve(approval, anna)


@pytest.mark.parametrize(("newer", "statuses"), [("11.80", ["superseded", "waiting"]), ("10.50", ["superseded"])])
def test_a_newer_price_supersedes_what_waits(policy, newer, statuses):
    approval = parked()
    publish(approval.listing, newer)
    assert sorted(PriceApproval.objects.values_list("status", flat=True)) == statuses


def test_the_gate_checks_again_when_it_is_approved(policy, anna):
    approval = parked()
    Listing.objects.update(unit_cost=Decimal("11.90"))
    assert approve(approval, anna).refused == "min_margin"
    approval.refresh_from_db()
    assert (approval.status, approval.decided_by) == ("waiting", None)
    Listing.objects.update(unit_cost=Decimal("6.00"))
    assert not approve(approval, anna).refused


def test_a_price_that_moved_meanwhile_closes_it(policy, anna):
    approval = parked()
    with connection.cursor() as cursor:  # as if another transaction had published before it superseded this one
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE catalog_listing DISABLE TRIGGER USER")
        cursor.execute("UPDATE catalog_listing SET price = 10.20, price_version = 3")
        cursor.execute("ALTER TABLE catalog_listing ENABLE TRIGGER USER")
    assert approve(approval, anna).refused == "price_changed_meanwhile"
    approval.refresh_from_db()
    assert approval.status == "superseded" and not PriceChange.objects.exists()


def test_it_expires(policy, anna):
    first, second = parked(), parked()
    late = timezone.now() + timedelta(hours=49)
    assert approve(first, anna, now=late).refused == "expired"
    assert expire_approvals(now=late) == 1
    assert set(PriceApproval.objects.values_list("status", flat=True)) == {"expired"}
    with pytest.raises(NotWaiting, match="expired"):
        approve(second, anna, now=late)


def test_revenue_at_stake_comes_from_the_expectation_or_from_sales():
    ApprovalPolicy.objects.create(max_revenue="500", currency="GBP")
    listing = make_listing()
    assert publish(listing, "10.10").published  # nothing is known of its sales
    for week in ("2011-01-03", "2011-01-10"):
        listing.weekly_sales.create(week=week, units=240, revenue=2400, price=10, orders=9)
    assert publish(listing, "10.20").waiting  # 480 units in eight weeks: 60 a week
    approval = PriceApproval.objects.get()
    assert approval.revenue_at_stake == Decimal("612.00")
    assert approval.risks == ["612.00 GBP of revenue a week is at stake, more than 500.00"]
    assert publish(listing, "10.20", explanation={"expected": {"demand": 40.0}}).published


def test_a_key_value_item_needs_a_second_person():
    ApprovalPolicy.objects.create(kvi_needs_approval=True)
    listing = make_listing()
    listing.product.is_kvi = True
    listing.product.save()
    assert publish(listing, "10.10").waiting and publish(make_listing(), "10.10").published


def test_the_narrowest_policy_alone_counts(policy):
    mugs = Category.objects.create(code="mugs", name="Mugs")
    ApprovalPolicy.objects.create(category=mugs, max_change="0.5")
    assert publish(make_listing(category=mugs), "12.00").published
    ApprovalPolicy.objects.create(channel=make_listing().channel, max_change="0.05")
    assert publish(make_listing(category=mugs), "10.80").waiting


def test_a_kill_switch_stops_an_automatic_price_that_was_approved(policy, anna):
    approval = parked()
    flip_kill_switch(reason="x", through="test", now=timezone.now())
    assert approve(approval, anna).refused == "kill_switch"
    approval.refresh_from_db()
    assert approval.status == "waiting"


def test_an_arm_that_would_need_approval_is_not_tried(policy):
    listing = make_listing()
    arms = (Arm("a", 5_000, Decimal("10.00")), Arm("b", 5_000, Decimal("12.00")))
    report = serve_arms(
        channel=listing.channel, experiment="e", salt="s", unit="region", arms={listing.pk: arms}, now=timezone.now()
    )
    assert report.refused == {listing.pk: "needs_approval"}


def test_many_at_once_say_which_could_not_be(policy, anna):
    mine, other = parked(source=OVERRIDE, author=anna), parked()
    failed = approve_prices(approval_ids=[mine.pk, other.pk], by=anna, now=timezone.now())
    assert list(failed) == [mine.pk] and "somebody else" in failed[mine.pk]
    assert list(reject_prices(approval_ids=[mine.pk, other.pk], by=anna, now=timezone.now())) == [mine.pk, other.pk]
    assert PriceChange.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_approve_at_once_one_wins(anna, bert):
    ApprovalPolicy.objects.create(max_change="0.1")
    approval = parked()

    def decide(person):
        try:
            return approve(approval, person)
        except NotWaiting:
            return None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(decide, [anna, bert]))
    assert sum(result is not None for result in results) == 1
    assert PriceChange.objects.count() == 1
