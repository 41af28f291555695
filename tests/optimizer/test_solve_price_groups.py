from decimal import Decimal

import pytest
from django.utils import timezone

from catalog.models import PriceChange, PriceGroup, PriceGroupMember
from catalog.models.listing import PriceSource
from optimizer.group_replay import replay_group
from optimizer.models import Recommendation
from optimizer.selectors.explanations import explanation_of
from optimizer.services import open_run as open_run_module
from optimizer.services.close_run import close_run
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import optimize_chunk
from optimizer.services.solve_price_groups import solve_price_groups
from optimizer.tasks import resume_stalled_runs
from tests.factories import make_channel, make_listing, publish
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db


def two_of_a_family(**fields):
    one, two = make_listing(), make_listing(unit_cost=Decimal("4.00"), **fields)
    group = PriceGroup.objects.create(kind="family", name="mugs")
    for listing in (one, two):
        PriceGroupMember.objects.create(group=group, kind="family", product=listing.product)
    return one, two


def computed(*listings):
    make_fit(make_channel(), list(listings), mean=-2.5)
    run = open_run(channel=make_channel(), objective="profit", now=timezone.now())
    for first_pk in run.chunks.order_by("first_pk").values_list("first_pk", flat=True):
        optimize_chunk(run_id=run.pk, first_pk=first_pk, now=timezone.now())
    return run


def test_a_family_in_two_chunks_gets_one_price_that_the_replay_confirms(monkeypatch):
    monkeypatch.setattr(open_run_module, "CHUNK_LISTINGS", 1)
    one, two = two_of_a_family()
    run = computed(one, two)
    alone = dict(Recommendation.objects.filter(run=run).values_list("listing", "price"))
    assert alone[one.pk] != alone[two.pk]
    assert solve_price_groups(run_id=run.pk, now=timezone.now())
    assert close_run(run_id=run.pk, now=timezone.now()).status == "succeeded"
    for listing in (one, two):
        listing.refresh_from_db()
        change = PriceChange.objects.get(listing=listing)
        assert change.binding_rule == "family" and change.explanation["clamps"][-1]["rule"] == "family"
        assert change.explanation["group"]["alone"] == f"{alone[listing.pk]:.2f}"
        assert replay_group(change.explanation["replay"]).confirmed
        assert explanation_of(listing=listing, now=timezone.now())["replay"].price == listing.price
    assert one.price == two.price


def test_a_run_waits_for_its_groups_and_solves_them_once():
    run = computed(*two_of_a_family())
    assert not close_run(run_id=run.pk, now=timezone.now()).is_finished
    assert solve_price_groups(run_id=run.pk, now=timezone.now())
    assert not solve_price_groups(run_id=run.pk, now=timezone.now())


def test_groups_are_not_solved_before_the_last_chunk():
    listings = two_of_a_family()
    make_fit(make_channel(), list(listings))
    run = open_run(channel=make_channel(), objective="profit", now=timezone.now())
    assert not solve_price_groups(run_id=run.pk, now=timezone.now())


def test_a_run_whose_worker_was_killed_before_its_groups_is_gone_on_with():
    one, two = two_of_a_family()
    run = computed(one, two)
    resume_stalled_runs()
    run.refresh_from_db()
    assert run.status == "succeeded" and PriceChange.objects.count() == 2


def test_members_that_a_person_priced_stand_and_the_others_follow():
    one, two = two_of_a_family()
    publish(one, "10.40", source=PriceSource.OVERRIDE)
    run = computed(one, two)
    solve_price_groups(run_id=run.pk, now=timezone.now())
    close_run(run_id=run.pk, now=timezone.now())
    two.refresh_from_db()
    assert two.price == Decimal("10.40")


def test_expectations_are_of_the_joint_price():
    one, two = two_of_a_family()
    run = computed(one, two)
    before = {row.listing_id: row for row in Recommendation.objects.filter(run=run)}
    solve_price_groups(run_id=run.pk, now=timezone.now())
    for row in Recommendation.objects.filter(run=run):
        assert row.expected_profit < before[row.listing_id].expected_profit
        assert row.expected_revenue == pytest.approx(float(row.price) * row.expected_demand)
