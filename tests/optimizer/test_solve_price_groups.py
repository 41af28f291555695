import os
import signal
import subprocess
import sys
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import GuardrailPolicy, PriceChange, PriceGroup, PriceGroupMember
from catalog.models.listing import PriceSource
from catalog.services.markdown_marks import mark_markdown
from optimizer.group_replay import replay_group
from optimizer.models import Recommendation
from optimizer.selectors.explanations import explanation_of
from optimizer.services import open_run as open_run_module
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import optimize_chunk
from optimizer.services.solve_price_groups import solve_price_groups
from optimizer.tasks import publish_prices, resume_stalled_runs
from tests.factories import make_channel, make_listing, publish
from tests.optimizer.closing import close_run
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


def test_a_run_whose_worker_was_killed_before_its_groups_is_gone_on_with(monkeypatch):
    one, two = two_of_a_family()
    run = computed(one, two)
    monkeypatch.setattr("optimizer.tasks.publish_prices.delay", publish_prices)
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


@pytest.mark.parametrize(
    ("limit", "low"), [({"max_change_per_day": Decimal("0.02")}, "9.80"), ({"max_changes_per_day": 1}, "10.10")]
)
def test_the_limits_of_a_day_bind_a_joint_price_as_they_bind_one_alone(limit, low):
    one, two = two_of_a_family()
    for listing in (one, two):
        publish(listing, "10.10", source=PriceSource.ROLLBACK)
    GuardrailPolicy.objects.create(**limit)
    run = computed(one, two)
    assert solve_price_groups(run_id=run.pk, now=timezone.now())
    rows = Recommendation.objects.filter(run=run)
    assert {row.price for row in rows} == {Decimal(low)}
    assert all(replay_group(row.explanation["replay"]).confirmed for row in rows)
    assert close_run(run_id=run.pk, now=timezone.now()).guard_numbers["outcomes"].keys() <= {"published", "unchanged"}


KILLED_IN_THE_MIDDLE = """
import os, signal, sys, django
django.setup()
from django.db import connection
from django.utils import timezone
connection.settings_dict["NAME"] = sys.argv[1]
from optimizer.services import reprice, solve_together
change = reprice.copy_changes
def killed(*arguments):
    change(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
reprice.copy_changes = killed
solve_together.solve_together(run_id=sys.argv[2], now=timezone.now())
"""


def kill_in_the_middle(run):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_THE_MIDDLE, connection.settings_dict["NAME"], str(run.pk)],
        env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def decided(run):
    return list(run.recommendations.order_by("listing").values_list("listing", "price", "binding_rule", "explanation"))


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_it_ends_as_one_that_was_not_disturbed():
    run = computed(*two_of_a_family())
    alone = decided(run)
    kill_in_the_middle(run)
    assert decided(run) == alone
    assert solve_price_groups(run_id=run.pk, now=timezone.now())
    disturbed = decided(run)
    run.recommendations.all().delete()
    run.chunks.update(finished_at=None, attempts=0)
    type(run).objects.update(groups_solved_at=None)
    optimize_chunk(run_id=run.pk, first_pk=run.chunks.get().first_pk, now=timezone.now())
    assert solve_price_groups(run_id=run.pk, now=timezone.now())
    without_times = [(pk, price, rule, each["replay"]) for pk, price, rule, each in decided(run)]
    assert without_times == [(pk, price, rule, each["replay"]) for pk, price, rule, each in disturbed]


@pytest.mark.django_db(transaction=True)
def test_begun_three_times_in_vain_the_run_fails_and_says_so():
    run = computed(*two_of_a_family())
    for _ in range(3):
        kill_in_the_middle(run)
    assert not solve_price_groups(run_id=run.pk, now=timezone.now())
    run.refresh_from_db()
    assert (run.status, run.error) == ("failed", "the related prices were begun 3 times in vain")


@pytest.mark.parametrize("held", ["promotion", "markdown"])
def test_a_member_whose_price_is_held_is_solved_around(held):
    one, two = two_of_a_family()
    if held == "promotion":
        publish(two, "9.50", source=PriceSource.PROMOTION)
    else:
        mark_markdown(listing_id=two.pk, until=timezone.now())
    run = computed(one, two)
    solve_price_groups(run_id=run.pk, now=timezone.now())
    two.refresh_from_db()
    assert run.recommendations.get(listing=one).price == two.price_in_force
