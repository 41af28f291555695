"""Limits of a day in a run: the optimiser keeps to them, records what they were measured against, and it replays."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from catalog.admin.explanation import ExplanationTables
from catalog.models import GuardrailPolicy, Listing, PriceChange
from catalog.models.listing import PriceSource
from catalog.services.policies import save_policy
from optimizer.models import Recommendation
from optimizer.replay import replay_price
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import optimize_chunk
from tests.factories import make_listing, publish
from tests.optimizer.closing import close_run
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db


def optimised(listing, now):
    make_fit(listing.channel, [listing])
    run = open_run(channel=listing.channel, objective="profit", now=now)
    for first_pk in run.chunks.values_list("first_pk", flat=True):
        optimize_chunk(run_id=run.pk, first_pk=first_pk, now=now)
    close_run(run_id=run.pk, now=now)
    return Recommendation.objects.get(run=run)


def moved_today(price):
    """A listing whose price was moved from 10.00 an hour ago, by no person."""
    listing = make_listing(unit_cost=Decimal("9.00"))
    publish(listing, price, source=PriceSource.OVERRIDE, now=timezone.now() - timedelta(hours=1))
    Listing.objects.filter(pk=listing.pk).update(price_source=PriceSource.OPTIMIZER)
    return listing


def test_a_run_stays_within_the_change_of_a_day_and_replays_so():
    save_policy(policy=GuardrailPolicy(max_change_per_day=Decimal("0.25")), author=None, now=timezone.now())
    listing = moved_today("12.00")
    row = optimised(listing, timezone.now())
    assert (row.outcome, row.price, row.binding_rule) == ("published", Decimal("12.50"), "max_change_per_day")
    inputs, replay = row.explanation["inputs"], row.explanation["replay"]
    assert inputs["day_start_price"]["value"] == "10.00" and inputs["changes_today"]["value"] == 1
    assert row.explanation["guardrails"]["max_change_per_day_bp"]["policy_version"] == 1
    assert (replay["day_start_ticks"], replay["changes_today"]) == (1000, 1)
    assert replay_price(replay).confirmed
    assert not replay_price(replay | {"day_start_ticks": 1100}).confirmed
    tables = ExplanationTables.of(row.explanation, listing.channel)
    assert ["Price 24 hours before", "£10.00"] in [each[:2] for each in tables.inputs]
    assert any(each[0] == "Maximum change a day" and each[2].endswith("version 1") for each in tables.guardrails)


def test_a_run_leaves_a_price_alone_whose_changes_are_used_up():
    GuardrailPolicy.objects.create(max_changes_per_day=1)
    listing = moved_today("11.00")
    row = optimised(listing, timezone.now())
    assert (row.outcome, row.price, row.binding_rule) == ("unchanged", Decimal("11.00"), "changes_per_day")
    assert replay_price(row.explanation["replay"]).confirmed
    assert PriceChange.objects.filter(listing=listing).count() == 1


def test_an_explanation_from_before_these_rules_replays_as_it_was():
    row = optimised(make_listing(), timezone.now())
    recorded = row.explanation["replay"]
    old = {name: value for name, value in recorded.items() if name not in ("day_start_ticks", "changes_today")}
    new_limits = ("max_change_per_day_bp", "max_changes_per_day")
    old["guardrails"] = {name: value for name, value in old["guardrails"].items() if name not in new_limits}
    assert replay_price(old) == replay_price(recorded) and replay_price(old).confirmed
    assert "day_start_price" not in row.explanation["inputs"]
