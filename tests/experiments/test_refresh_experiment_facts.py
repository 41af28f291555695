import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from catalog.models import DailySales
from experiments.models import PriceExperiment, UnitDay, UnitState
from experiments.selectors.readouts import readout_for
from experiments.services.arm_days import recompute_arm_days
from experiments.services.refresh_experiment_facts import refresh_experiment_facts
from tests.experiments.trials import STARTED, after, arm_days, make_trial
from tests.factories import make_listing
from tests.locks import wait_until_somebody_waits

pytestmark = pytest.mark.django_db


def sell(listing, day, units, price="10"):
    amounts = {"units": units, "revenue": Decimal(price) * units}
    DailySales.objects.update_or_create(listing=listing, day=STARTED.date() + timedelta(days=day), defaults=amounts)


def trial_of(*listings, **fields):
    units = [{"listing": listing, "arm": at % 2} for at, listing in enumerate(listings)]
    return make_trial("sku", units=units, **{"metric": "profit", "cuped_days": 10} | fields)


def refresh(trial, days=10):
    return refresh_experiment_facts(experiment=trial, now=after(days))


def test_daily_sales_become_facts_with_days_of_zero_and_the_days_before_as_covariate():
    first, second = make_listing(), make_listing()
    trial = trial_of(first, second)
    sell(first, -2, 5)
    sell(first, 0, 3)
    sell(second, 2, 1)
    report = refresh(trial)
    assert (report.changed, report.days) == (2, (STARTED.date(), STARTED.date() + timedelta(days=2)))
    assert list(UnitDay.objects.filter(unit=f"sku:{first.pk}").order_by("day").values_list("units", "profit")) == [
        (3, 12),
        (0, 0),
        (0, 0),
    ]
    assert UnitState.objects.get(unit=f"sku:{first.pk}").covariate == 2  # 5 · (10 − 6) over 10 days
    assert arm_days(trial)["control", "profit", 0] == (1, 1, 12, 144, 2, 4, 24)
    assert arm_days(trial)["b", "profit", 2] == (1, 0, 4, 16, 0, 0, 0)


def test_without_news_nothing_is_written_and_late_sales_change_their_unit_only():
    first, second = make_listing(), make_listing()
    trial = trial_of(first, second)
    for day in range(4):
        sell(first, day, 1)
        sell(second, day, 2)
    refresh(trial)
    assert refresh(trial).changed == 0
    sell(first, 1, 7)
    assert refresh(trial).changed == 1
    assert arm_days(trial)["control", "profit", 3][2:4] == (4, 40**2 - 36**2)
    kept = arm_days(trial)
    recompute_arm_days(experiment=trial)
    assert arm_days(trial) == kept


def test_only_whole_days_under_the_experiments_prices_count():
    listing = make_listing()
    trial = trial_of(listing, make_listing(), started_at=after(hours=9), stopped_at=after(3, hours=5), status="stopped")
    for day in range(6):
        sell(listing, day, 1)
    assert refresh(trial, days=20).days == (STARTED.date() + timedelta(days=1), STARTED.date() + timedelta(days=2))


def test_the_day_that_is_not_over_does_not_count():
    listing = make_listing()
    trial = trial_of(listing, make_listing())
    sell(listing, 0, 1)
    assert refresh(trial, days=0.9).days is None
    assert refresh(trial, days=1.0).changed == 2


def test_the_listings_of_a_category_are_one_unit():
    rows = [make_listing() for _ in range(4)]
    units = [{"listing": row, "arm": at // 2, "cluster": 70 + at // 2} for at, row in enumerate(rows)]
    trial = make_trial("category", units=units, metric="units")
    for row in rows:
        sell(row, 0, 3)
    refresh(trial)
    assert dict(UnitDay.objects.values_list("unit", "units")) == {"category:70": 6, "category:71": 6}


def test_a_unit_without_a_cost_has_no_profit_and_is_named():
    known, unknown = make_listing(), make_listing(unit_cost=None)
    trial = trial_of(known, unknown)
    sell(known, 0, 1)
    sell(unknown, 0, 1)
    report = refresh(trial)
    assert (report.changed, report.without_cost) == (1, 1)
    assert UnitDay.objects.get().unit == f"sku:{known.pk}"


def test_a_cost_that_goes_missing_takes_its_unit_and_partner_out_of_the_looks_until_it_is_back():
    """Four pairs that sell alike; one loses its cost after three days: there is no effect before, then or after."""
    rows = [make_listing() for _ in range(8)]
    units = [{"listing": row, "arm": at % 2, "block": at // 2} for at, row in enumerate(rows)]
    trial = make_trial(
        "sku", units=units, metric="profit", guardrails={"revenue": "0.2"}, cuped_days=0, matching="pairs"
    )
    for at, row in enumerate(rows):
        for day in range(9):
            sell(row, day, 3 + at // 2)
    refresh(trial, days=3)
    assert effect(trial, 3) == (4, 0, 0)
    rows[1].unit_cost = None
    rows[1].save()
    assert (refresh(trial, days=9).changed, refresh(trial, days=9).changed) == (8, 0)
    assert not UnitDay.objects.filter(unit=f"sku:{rows[1].pk}").exists()
    assert effect(trial, 9) == (3, 0, 1)
    kept = arm_days(trial)
    recompute_arm_days(experiment=trial)
    assert arm_days(trial) == kept
    rows[1].unit_cost = Decimal(6)
    rows[1].save()
    assert refresh(trial, days=9).changed == 1
    assert effect(trial, 9) == (4, 0, 0)


def effect(trial, day):
    found = readout_for(experiment=trial, at=after(day))
    return found.leading.primary.n, found.leading.primary.effect, found.without_cost


def test_without_profit_among_the_metrics_no_cost_is_needed():
    known, unknown = make_listing(), make_listing(unit_cost=None)
    trial = trial_of(known, unknown, metric="revenue")
    sell(known, 0, 1)
    sell(unknown, 0, 1)
    report = refresh(trial)
    assert (report.changed, report.without_cost) == (2, 0)
    assert arm_days(trial)["b", "revenue", 0][2] == 10


def test_a_new_cost_re_computes_profit():
    listing = make_listing()
    trial = trial_of(listing, make_listing())
    sell(listing, 0, 1)
    refresh(trial)
    listing.unit_cost = Decimal(8)
    listing.save()
    assert refresh(trial).changed == 1
    assert arm_days(trial)["control", "profit", 0][2] == 2


def test_events_designs_are_left_alone():
    assert refresh(make_trial("region")).changed == 0


@pytest.mark.django_db(transaction=True)
def test_two_refreshes_at_once_count_once():
    first, second = make_listing(), make_listing()
    trial = trial_of(first, second)
    sell(first, 0, 3)
    seen = []

    def other():
        try:
            seen.append(refresh(trial))
        finally:
            connection.close()

    with transaction.atomic():
        refresh(trial)
        thread = threading.Thread(target=other)
        thread.start()
        wait_until_somebody_waits()
    thread.join(20)
    assert len(seen) == 1
    kept = arm_days(trial)
    assert kept["control", "profit", 0][1:3] == (1, 12)
    recompute_arm_days(experiment=trial)
    assert arm_days(trial) == kept


@pytest.mark.django_db(transaction=True)
def test_a_refresh_waits_while_the_sums_are_rebuilt():
    first, second = make_listing(), make_listing()
    trial = trial_of(first, second)
    sell(first, 0, 3)
    refresh(trial)
    sell(first, 0, 4)
    seen = []

    def other():
        try:
            seen.append(refresh(trial).changed)
        finally:
            connection.close()

    with transaction.atomic():
        PriceExperiment.objects.select_for_update().get(pk=trial.pk)  # as a rebuild begins
        thread = threading.Thread(target=other)
        thread.start()
        wait_until_somebody_waits()
        recompute_arm_days(experiment=trial)
    thread.join(20)
    assert seen == [1]
    kept = arm_days(trial)
    assert kept["control", "profit", 0][1:3] == (1, 16)
    recompute_arm_days(experiment=trial)
    assert arm_days(trial) == kept
