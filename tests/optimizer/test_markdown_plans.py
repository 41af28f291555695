import math
import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from catalog.models import GuardrailPolicy, PriceChange
from catalog.models.listing import PriceSource
from optimizer.markdown_replay import replay_markdown
from optimizer.models import MarkdownPlan, MarkdownStep
from optimizer.selectors.explanations import explanation_of
from optimizer.services.markdown_plans import CannotPlan, cancel_markdown_plan, checked_plan, start_markdown_plan
from optimizer.services.replan_markdowns import replan_markdowns
from tests.factories import make_listing, publish
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 11, 2, 0, 5, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def make_plan(listing=None, **fields) -> MarkdownPlan:
    """Sell 200 units within four weeks at about 40 a week; what is left is worth nothing and costs 2.00 each."""
    listing = listing or make_listing(inventory=200)
    make_fit(listing.channel, [listing])
    defaults = {
        "starts_on": date(2026, 11, 2),
        "ends_on": date(2026, 11, 29),
        "penalty": Decimal(2),
        "reason": "Winter",
    }
    return MarkdownPlan(listing=listing, created_at=MONDAY, **defaults | fields)


def started(listing=None, **fields) -> MarkdownPlan:
    return start_markdown_plan(plan=make_plan(listing, **fields), now=MONDAY)


def sell(plan: MarkdownPlan, left: int) -> None:
    plan.listing.inventory = left
    plan.listing.save(update_fields=["inventory"])


def test_a_plan_publishes_the_price_of_its_first_period_with_what_it_was_planned_from():
    plan = started()
    assert replan_markdowns(now=MONDAY) == {"published": 1}
    step, change = plan.steps.get(), PriceChange.objects.get()
    assert (step.period_start, step.periods_left, step.stock, step.outcome) == (date(2026, 11, 2), 4, 200, "published")
    assert step.price == change.price < Decimal(10)
    assert change.source == PriceSource.MARKDOWN
    assert change.idempotency_key == f"markdown:{plan.pk}:2026-11-02"
    assert change.explanation["markdown_plan"] == str(plan.pk)
    assert step.value > step.value_keeping_price
    assert len(step.forecast["price"]) == 4
    assert len(step.forecast["stock"]) == 5
    assert step.forecast["stock"][0] == 200


def test_its_price_replays_from_what_the_ledger_holds():
    plan = started(max_changes=3)
    replan_markdowns(now=MONDAY)
    change = PriceChange.objects.get()
    plan.listing.refresh_from_db()
    known = explanation_of(listing=plan.listing, now=MONDAY)
    assert known["replay"].price == change.price and known["replay"].result.confirmed
    step = plan.steps.get()
    assert known["replay"].result.score / 100 == pytest.approx(step.value, abs=step.inputs["value_error_bound"])
    stored = change.explanation["replay"]
    stored["markdown"]["stock"] = 20
    assert not replay_markdown(stored).confirmed


def test_a_period_is_decided_once_however_often_it_is_asked_for():
    started()
    replan_markdowns(now=MONDAY)
    assert replan_markdowns(now=MONDAY + timedelta(hours=1)) == {}
    assert MarkdownStep.objects.count() == PriceChange.objects.count() == 1


def test_every_period_is_planned_anew_from_the_stock_there_is():
    plan = started()
    for week, left in enumerate([200, 180, 165, 150]):
        sell(plan, left)
        replan_markdowns(now=MONDAY + week * WEEK)
    steps = list(plan.steps.order_by("period_start"))
    assert [step.stock for step in steps] == [200, 180, 165, 150]
    assert [step.periods_left for step in steps] == [4, 3, 2, 1]
    prices = [step.price for step in steps]
    assert prices == sorted(prices, reverse=True), "only down"
    assert prices[-1] == Decimal("7.06"), "too much left: as low as the margin allows, 6.00 / 0.85"
    assert PriceChange.objects.latest("pk").binding_rule == "min_margin"


def test_a_stock_that_left_its_interval_is_planned_for_within_the_period():
    plan = started()
    replan_markdowns(now=MONDAY)
    lowest_expected = plan.steps.get().forecast["stock_low"][1]
    sell(plan, math.ceil(lowest_expected))
    assert replan_markdowns(now=MONDAY + timedelta(days=2)) == {}
    sell(plan, 30)
    replan_markdowns(now=MONDAY + timedelta(days=3))
    again = plan.steps.get(revision=1)
    assert (again.period_start, again.stock) == (date(2026, 11, 2), 30)
    assert replan_markdowns(now=MONDAY + timedelta(days=3, hours=1)) == {}


def test_days_can_be_the_periods():
    plan = started(period="day", ends_on=date(2026, 11, 5))
    replan_markdowns(now=MONDAY)
    replan_markdowns(now=MONDAY + timedelta(days=1))
    assert list(plan.steps.order_by("pk").values_list("periods_left", flat=True)) == [4, 3]
    assert plan.steps.first().inputs["demand"]["value"] == pytest.approx(40 / 7)


def test_a_limit_of_changes_holds_over_the_whole_plan():
    plan = started(max_changes=1)
    for week, left in enumerate([200, 190, 185, 180]):
        sell(plan, left)
        replan_markdowns(now=MONDAY + week * WEEK)
    prices = plan.steps.order_by("pk").values_list("price", flat=True)
    assert len({Decimal(10), *prices}) == 2, "one change, and it was made"


def test_publishing_the_list_price_for_the_first_time_is_no_change():
    plan = started(make_listing(inventory=140), max_changes=1)
    replan_markdowns(now=MONDAY)
    assert plan.steps.get().price == Decimal(10)
    sell(plan, 139)
    replan_markdowns(now=MONDAY + 3 * WEEK)
    assert plan.steps.latest("pk").price < Decimal(10)


def test_the_maximum_change_of_the_guardrails_bounds_each_step():
    GuardrailPolicy.objects.create(max_change=Decimal("0.0500"))
    plan = started(penalty=Decimal(50))
    replan_markdowns(now=MONDAY)
    assert Decimal("9.50") <= plan.steps.get().price < Decimal(10)


def test_other_automatic_prices_are_refused_while_the_plan_runs_and_pass_after_it():
    plan = started()
    for source in (PriceSource.OPTIMIZER, PriceSource.BANDIT, PriceSource.EXPERIMENT):
        report = publish(plan.listing, "9.90", source=source)
        assert report.refused == {plan.listing_id: "markdown_running"}
    cancel_markdown_plan(plan=plan, now=MONDAY)
    assert publish(plan.listing, "9.90").published == [plan.listing_id]
    assert replan_markdowns(now=MONDAY + WEEK) == {}


def test_a_persons_price_wins_and_the_step_says_so_and_is_tried_again_when_it_is_gone():
    plan = started()
    publish(plan.listing, "8.88", source=PriceSource.OVERRIDE, now=MONDAY)
    assert replan_markdowns(now=MONDAY) == {"refused": 1}
    step = plan.steps.get()
    assert (step.outcome, step.outcome_reason) == ("refused", "overridden")
    assert replan_markdowns(now=MONDAY + timedelta(hours=1)) == {}
    publish(plan.listing, "10.00", source=PriceSource.ROLLBACK, now=MONDAY)
    assert replan_markdowns(now=MONDAY + timedelta(hours=2)) == {"published": 1}


def test_a_cost_that_is_lost_is_recorded_and_nothing_is_published():
    plan = started()
    type(plan.listing).objects.filter(pk=plan.listing_id).update(unit_cost=None)
    assert replan_markdowns(now=MONDAY) == {"unpriced": 1}
    assert plan.steps.get().outcome_reason == "missing_cost"
    assert not PriceChange.objects.exists()


@pytest.mark.parametrize(("returns", "price", "source"), [(True, "10.00", "markdown"), (False, None, "markdown")])
def test_at_its_end_the_price_returns_or_stays(returns, price, source):
    plan = started(returns_to_list_price=returns)
    replan_markdowns(now=MONDAY)
    last = plan.steps.get().price
    assert replan_markdowns(now=MONDAY + 4 * WEEK) == {"finished": 1}
    plan.refresh_from_db()
    plan.listing.refresh_from_db()
    assert plan.status == "finished"
    assert plan.listing.markdown_until is None
    assert plan.listing.price == (Decimal(price) if price else last)
    assert replan_markdowns(now=MONDAY + 4 * WEEK) == {}


def test_a_plan_that_begins_later_waits():
    started(starts_on=date(2026, 11, 9), ends_on=date(2026, 11, 22))
    assert replan_markdowns(now=MONDAY) == {}
    assert replan_markdowns(now=MONDAY + WEEK) == {"published": 1}


def test_one_plan_at_a_time_runs_on_a_listing():
    plan = started()
    with pytest.raises(CannotPlan, match="another plan is active") as refused:
        start_markdown_plan(plan=make_plan(plan.listing), now=MONDAY)
    assert refused.value.field == "listing"
    assert start_markdown_plan(plan=plan, now=MONDAY).pk == plan.pk, "the same plan again is no error"


@pytest.mark.parametrize(
    ("fields", "field", "cure"),
    [
        ({"ends_on": date(2026, 11, 1)}, "ends_on", "before the first"),
        ({"starts_on": date(2026, 9, 1), "ends_on": date(2026, 9, 28)}, "ends_on", "past"),
        ({"ends_on": date(2026, 11, 30)}, "ends_on", "no whole weeks"),
        ({"period": "day", "ends_on": date(2029, 11, 29)}, "ends_on", "plan by the week"),
    ],
)
def test_a_plan_that_cannot_work_names_the_field_and_the_cure(fields, field, cure):
    with pytest.raises(CannotPlan, match=cure) as refused:
        checked_plan(plan=make_plan(**fields), now=MONDAY)
    assert refused.value.field == field


@pytest.mark.parametrize(("fact", "cure"), [("unit_cost", "unit cost"), ("inventory", "stock is unknown")])
def test_a_missing_fact_is_named(fact, cure):
    with pytest.raises(CannotPlan, match=cure):
        checked_plan(plan=make_plan(make_listing(**{fact: None})), now=MONDAY)


def test_the_steps_are_append_only():
    plan = started()
    replan_markdowns(now=MONDAY)
    for change in (lambda: plan.steps.update(price=1), plan.steps.all().delete):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()


def test_salvage_below_cost_never_leads_below_the_floor():
    plan = started(make_listing(inventory=5000), penalty=Decimal(500))
    replan_markdowns(now=MONDAY)
    replan_markdowns(now=MONDAY + WEEK)
    replan_markdowns(now=MONDAY + 2 * WEEK)
    assert PriceChange.objects.latest("pk").price == Decimal("7.06")
    assert plan.steps.latest("pk").meets_target == pytest.approx(0, abs=1e-6)


KILLED = """
import os, signal, sys, django
django.setup()
from django.db import connection
from django.db.models import QuerySet
from datetime import datetime
from optimizer.services import replan_markdowns as module
from optimizer.models import MarkdownStep
connection.settings_dict["NAME"] = sys.argv[1]
create = QuerySet.bulk_create
def killed(rows, *args, **kwargs):
    made = create(rows, *args, **kwargs)
    if rows.model is MarkdownStep:
        os.kill(os.getpid(), signal.SIGKILL)
    return made
QuerySet.bulk_create = killed
module.replan_markdowns(now=datetime.fromisoformat(sys.argv[2]))
"""


@pytest.mark.django_db(transaction=True)
def test_killed_before_the_commit_it_is_as_if_never_begun_and_the_next_call_does_it_once():
    from django.db import connection

    plan = started()
    name = connection.settings_dict["NAME"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, name, MONDAY.isoformat()],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not PriceChange.objects.exists()
    assert not plan.steps.exists()
    assert replan_markdowns(now=MONDAY) == {"published": 1}
    assert PriceChange.objects.count() == plan.steps.count() == 1
