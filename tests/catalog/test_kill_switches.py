"""Kill switches: what they cover, who passes, what is served. Those flipped in the middle of a batch: tests/flows."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from catalog import price_cache
from catalog.gateway import served_prices
from catalog.models import Category, KillSwitch, ServedExperiment
from catalog.models.listing import PriceSource
from catalog.services.arms import Arm, serve_arms
from catalog.services.kill_switches import CannotFlip, flip_kill_switch, lift_kill_switch
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db(transaction=True)

KILLED = "kill_switch"


def flip(**scope):
    return flip_kill_switch(**{"reason": "prices look wrong", "through": "test", "now": timezone.now()} | scope)[0]


def lift(switch):
    return lift_kill_switch(switch_id=switch.pk, through="test", now=timezone.now())


def test_nothing_automatic_is_published_until_it_is_lifted():
    listing = make_listing()
    publish(listing, "10.50")
    switch = flip()
    assert publish(listing, "10.80").refused == {listing.pk: KILLED}
    assert served_prices(channel="web", skus=[listing.product.sku])[listing.product.sku]["price"] == "10.50"
    lift(switch)
    assert publish(listing, "10.80").published == [listing.pk]


@pytest.mark.parametrize("source", [PriceSource.OVERRIDE, PriceSource.LIST_PRICE, PriceSource.ROLLBACK])
def test_people_pass(source):
    listing = make_listing()
    flip()
    assert publish(listing, "10.50", source=source).published == [listing.pk]


def test_each_scope_covers_its_own_and_nothing_else():
    mugs = Category.objects.create(code="mugs", name="Mugs")
    mug, heart = make_listing(category=mugs), make_listing()
    abroad = make_listing(channel=make_channel("de", currency="EUR", country="DE"))
    for scope, covered in [
        ({"category": mugs}, {mug.pk}),
        ({"channel": abroad.channel}, {abroad.pk}),
        ({"model": "optimizer"}, {mug.pk, heart.pk, abroad.pk}),
        ({"model": "bandit"}, set()),
        ({"model": "elasticity-9"}, {heart.pk}),
    ]:
        switch = flip(**scope)
        refused = {}
        for listing in (mug, heart, abroad):
            explanation = {"model": "elasticity-9"} if listing == heart else {"model": "elasticity-8"}
            # Below its floor, so that it is refused for one reason or the other, and the next scope finds it as it was.
            refused |= publish(listing, "6.01", explanation=explanation).refused
        assert {pk for pk, why in refused.items() if why == KILLED} == covered, scope
        lift(switch)


def test_the_history_says_who_when_and_why():
    boss = User.objects.create_user("boss")
    switch = flip(by=boss)
    again, is_new = flip_kill_switch(reason="another", through="test", now=timezone.now())
    assert (again.pk, is_new, again.reason) == (switch.pk, False, "prices look wrong")
    lifted = lift_kill_switch(switch_id=switch.pk, by=boss, through="test", reason="checked", now=timezone.now())
    assert (lifted.is_on, lifted.lifted_by, lifted.lift_reason) == (False, boss, "checked")
    assert lift(lifted).lift_reason == "checked"
    assert flip().pk != switch.pk and KillSwitch.objects.count() == 2


@pytest.mark.parametrize(
    ("order", "field"), [({"reason": " "}, "reason"), ({"model": "bandit", "channel": True}, "scope")]
)
def test_an_order_that_makes_no_sense_is_refused(order, field):
    if "channel" in order:
        order = order | {"channel": make_channel()}
    with pytest.raises(CannotFlip) as raised:
        flip(**order)
    assert raised.value.field == field


def test_the_database_keeps_one_switch_a_scope():
    flip()
    with pytest.raises(IntegrityError, match="kill_switch_once_on"), transaction.atomic():
        KillSwitch.objects.create(reason="x", flipped_at=timezone.now(), flipped_through="test")


@pytest.fixture
def tried():
    """A listing that is served through an experiment; its price in force is 10.00."""
    listing = make_listing(sku="85123A")
    start_experiment(listing)
    assert served_through(listing) == "spring"
    return listing


def start_experiment(listing):
    return serve_arms(
        channel=listing.channel,
        experiment="spring",
        salt="s1",
        unit=ServedExperiment.Unit.REGION,
        arms={listing.pk: (Arm("control", 1, Decimal("10.00")), Arm("dearer", 9_999, Decimal("10.50")))},
        now=timezone.now(),
    )


def served_through(listing):
    return served_prices(channel="web", skus=[listing.product.sku], region="london")[listing.product.sku]["experiment"]


@pytest.mark.parametrize("scope", [{}, {"model": "experiment"}, {"model": "spring"}])
def test_arms_are_not_served_under_a_switch(tried, scope):
    switch = flip(**scope)
    answer = served_prices(channel="web", skus=["85123A"], region="london")["85123A"]
    assert (answer["experiment"], answer["price"]) == (None, "10.00")
    lift(switch)
    assert served_through(tried) == "spring"


@pytest.mark.parametrize("scope", [{"model": "optimizer"}, {"model": "winter"}])
def test_arms_that_a_switch_does_not_cover_stay(tried, scope):
    flip(**scope)
    assert served_through(tried) == "spring"


def test_arms_are_withdrawn_at_once_though_a_batch_holds_the_listing(tried):
    with transaction.atomic(durable=True):
        held_in_another_connection(tried, then=lambda: flip(model="experiment"))
    assert served_through(tried) is None
    assert price_cache.epoch() == 1  # the rows could not be told one by one


def held_in_another_connection(listing, *, then):
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    from catalog.models import Listing

    Listing.objects.select_for_update().get(pk=listing.pk)

    def work():
        try:
            return then()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(timeout=60)


def test_no_experiment_begins_under_a_switch():
    listing = make_listing()
    flip(model="experiment")
    report = start_experiment(listing)
    assert (report.serving, report.refused) == ([], {listing.pk: KILLED})
