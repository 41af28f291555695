"""Days on which something else came before an arm: a person's price, a kill switch."""

import pytest

from catalog.models import Category, KillSwitch
from catalog.models.listing import PriceSource
from experiments.selectors.days_not_served import days_not_served
from experiments.selectors.readouts import readout_for
from tests.experiments.trials import STARTED, after, make_trial, store_facts
from tests.factories import make_listing, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def listings():
    category = Category.objects.create(code="tea", name="Tea")
    return [make_listing(category=category), make_listing(category=category), make_listing()]


@pytest.fixture
def trial(listings):
    units = [{"listing": row, "arm": at % 2} for at, row in enumerate(listings)]
    return make_trial("sku", code="cheaper", units=units)


def switch(flipped, lifted=None, **scope):
    lifted_at = None if lifted is None else after(lifted)
    KillSwitch.objects.create(reason="x", flipped_at=after(flipped), lifted_at=lifted_at, flipped_through="t", **scope)


def days(trial, last=9):
    return days_not_served(trial, after(last).date())


def test_a_persons_price_comes_before_an_arm_until_another_price_is_in_force(trial, listings):
    publish(listings[0], "10.40", source=PriceSource.LIST_PRICE, now=after(1))
    assert days(trial) == 0
    publish(listings[0], "10.50", source=PriceSource.OVERRIDE, now=after(2.5))
    publish(listings[0], "10.60", source=PriceSource.OVERRIDE, now=after(3.5))
    assert days(trial, last=3) == 2 and days(trial, last=9) == 8
    publish(listings[0], "10.00", source=PriceSource.LIST_PRICE, now=after(5))
    assert days(trial) == 3
    publish(make_listing(), "10.50", source=PriceSource.OVERRIDE, now=after(2.5))
    assert days(trial) == 3


@pytest.mark.parametrize(
    ("scope", "members"),
    [
        ({}, 3),
        ({"model": "experiment"}, 3),
        ({"model": "cheaper"}, 3),
        ({"model": "bandit"}, 0),
        ("channel", 3),
        ("category", 2),
    ],
)
def test_a_kill_switch_counts_where_it_covers_and_while_it_is_on(trial, listings, scope, members):
    if scope == "channel":
        scope = {"channel": trial.channel}
    elif scope == "category":
        scope = {"category": listings[0].product.category}
    switch(-2, 0, **scope)
    assert days(trial) == 0
    switch(4.5, 6, **scope)
    assert days(trial) == 2 * members
    switch(8, **scope)
    assert days(trial) == 4 * members


def test_what_comes_twice_counts_once_and_nothing_after_the_stop(listings):
    units = [{"listing": row, "arm": at % 2} for at, row in enumerate(listings)]
    trial = make_trial("sku", units=units, status="stopped", stopped_at=after(4))
    publish(listings[0], "10.50", source=PriceSource.OVERRIDE, now=after(2))
    switch(3)
    assert days(trial) == 2 + 1 + 1


def test_the_read_out_tells_them(trial, listings):
    units = [
        {"unit": f"sku:{row.pk}", "arm": at % 2, "days": {0: {"exposures": 1}, 1: {"exposures": 1}}}
        for at, row in enumerate(listings)
    ]
    store_facts(trial, units)
    publish(listings[0], "10.50", source=PriceSource.OVERRIDE, now=STARTED)
    assert readout_for(experiment=trial, at=after(2, hours=1)).days_not_served == 2
