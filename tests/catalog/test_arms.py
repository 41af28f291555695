import json
from collections import Counter
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from catalog.arms import answer_for, drawn_arm
from catalog.cached_values import CachedValue, Kind
from catalog.gateway import served_prices
from catalog.gateway.prices import PriceItem
from catalog.models import ServedArm, ServedExperiment
from catalog.models.listing import PriceSource
from catalog.selectors.served import served_values
from catalog.services.arms import Arm, end_arms, serve_arms
from tests.factories import make_channel, make_listing, publish

Unit = ServedExperiment.Unit
ARMS = (Arm("control", 5_000, Decimal("10.00")), Arm("dearer", 5_000, Decimal("10.50")))


def record(unit, shares=(5_000, 5_000), slot_seconds=None, sku="A"):
    arms = [{"arm": f"arm-{n}", "share": share, "price": f"{10 + n}.00"} for n, share in enumerate(shares)]
    experiment = {"code": "spring", "salt": "s1", "unit": unit, "slot_seconds": slot_seconds, "arms": arms}
    fields = {"sku": sku, "channel": "web", "price": "9.00", "version": 7, "source": "optimizer", "binding_rule": "x"}
    fields |= {"prior_price_until": None, "reduction_may_be_announced": True, "reduction_percent": 10}
    return {**fields, "experiment": experiment}


def test_arms_are_drawn_in_their_shares():
    drawn = Counter(drawn_arm("salt", f"unit-{n}", (7_000, 2_000, 1_000)) for n in range(20_000))
    # Four standard deviations of a binomial count.
    for index, share in enumerate((0.7, 0.2, 0.1)):
        assert abs(drawn[index] / 20_000 - share) < 4 * (share * (1 - share) / 20_000) ** 0.5


def test_two_salts_draw_independently():
    both = Counter(
        (drawn_arm("a", f"{n}", (5_000, 5_000)), drawn_arm("b", f"{n}", (5_000, 5_000))) for n in range(8_000)
    )
    assert all(abs(count - 2_000) < 4 * (8_000 * 0.25 * 0.75) ** 0.5 for count in both.values())


def test_a_draw_never_changes():
    assert [drawn_arm("salt", f"unit-{n}", (5_000, 5_000)) for n in range(12)] == [1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1]


def test_without_an_experiment_the_price_in_force_is_served():
    answer = answer_for({**record("sku"), "experiment": None}, region="london", unix_time=0)
    assert (answer["price"], answer["experiment"], answer["arm"]) == ("9.00", None, None)


def test_a_sku_keeps_its_arm_everywhere_and_always():
    answers = [
        answer_for(record("sku"), region=region, unix_time=time) for region in (None, "a", "b") for time in (0, 1e9)
    ]
    assert len({answer["price"] for answer in answers}) == 1
    assert len({answer_for(record("sku", sku=f"{n}"), region=None, unix_time=0)["arm"] for n in range(50)}) == 2


def test_a_region_sees_one_arm_and_no_region_the_control():
    arms = {region: answer_for(record("region"), region=region, unix_time=0)["arm"] for region in map(str, range(50))}
    assert set(arms.values()) == {"arm-0", "arm-1"}
    assert answer_for(record("region"), region=None, unix_time=0)["arm"] == "arm-0"


def test_a_time_slot_sees_one_arm_and_the_price_is_valid_to_its_end():
    first = answer_for(record("time_slot", slot_seconds=600), region=None, unix_time=1_200)
    assert (
        first["slot_ends"],
        answer_for(record("time_slot", slot_seconds=600), region="x", unix_time=1_799.9)["arm"],
    ) == (
        1_800,
        first["arm"],
    )
    drawn = {
        answer_for(record("time_slot", slot_seconds=600), region=None, unix_time=600 * n)["arm"] for n in range(50)
    }
    assert drawn == {"arm-0", "arm-1"}
    item = PriceItem(CachedValue(1, Kind.RECORD, json.dumps(record("time_slot", slot_seconds=600)).encode(), 2**40))
    answer = item.answer(None, 1_790)
    assert answer.valid_until(b"usual", 1_790, 300) == b"1970-01-01T00:30:00Z"
    assert answer.valid_until(b"usual", 1_400, 300) == b"usual"


@pytest.fixture
def listing(db):
    return make_listing(sku="85123A")


def serve(listing, arms=ARMS, unit=Unit.REGION, **fields):
    return serve_arms(
        channel=listing.channel,
        experiment="spring",
        salt="s1",
        unit=unit,
        arms={listing.pk: arms},
        now=timezone.now(),
        **fields,
    )


def prices_by_region(listing):
    sku = listing.product.sku
    return {served_prices(channel="web", skus=[sku], region=str(n))[sku]["price"] for n in range(50)}


def test_regions_see_the_arms_until_the_experiment_ends(listing):
    assert serve(listing).serving == [listing.pk]
    assert prices_by_region(listing) == {"10.00", "10.50"}
    revision = next(iter(served_values(channel="web", skus=["85123A"]).values())).revision
    assert end_arms(channel=listing.channel, experiment="spring", now=timezone.now()) == [listing.pk]
    assert prices_by_region(listing) == {"10.00"}
    assert next(iter(served_values(channel="web", skus=["85123A"]).values())).revision > revision


def test_a_price_below_its_floor_refuses_the_listing_whole(listing):
    report = serve(listing, (ARMS[0], Arm("loss", 5_000, Decimal("5.99"))))
    assert (report.serving, report.refused) == ([], {listing.pk: "loss_floor"})
    assert not ServedArm.objects.exists()


def test_the_database_refuses_an_arm_below_its_floor(listing):
    serve(listing)
    arm = ServedArm.objects.first()
    with pytest.raises(IntegrityError, match="served_arm_not_below_floor"), transaction.atomic():
        ServedArm.objects.create(
            served_experiment=arm.served_experiment, arm="late", share=1, price=arm.floor - 1, floor=arm.floor
        )


def test_one_experiment_at_a_time(listing):
    serve(listing)
    assert serve(listing).refused == {listing.pk: "experiment_running"}


def test_a_persons_price_is_for_everybody(listing):
    serve(listing)
    publish(listing, "11.00", source=PriceSource.OVERRIDE)
    assert prices_by_region(listing) == {"11.00"}
    end_arms(channel=listing.channel, experiment="spring", now=timezone.now())
    assert serve(listing).refused == {listing.pk: "overridden"}


def test_a_listing_of_another_channel_is_refused(listing):
    other = make_listing(channel=make_channel("shop"))
    report = serve_arms(
        channel=listing.channel, experiment="x", salt="s", unit=Unit.SKU, arms={other.pk: ARMS}, now=timezone.now()
    )
    assert report.refused == {other.pk: "unknown_listing"}


@pytest.mark.parametrize(
    ("arms", "fields", "why"),
    [
        ((ARMS[0],), {}, "sum to 10,000"),
        ((), {}, "sum to 10,000"),
        ((Arm("a", 10_000, Decimal(10)), Arm("b", 0, Decimal(10))), {}, "above 0"),
        ((ARMS[0], ARMS[0]), {}, "same name"),
        (ARMS, {"slot_seconds": 600}, "slot_seconds"),
        (ARMS, {"unit": Unit.TIME_SLOT}, "slot_seconds"),
        (ARMS, {"unit": Unit.TIME_SLOT, "slot_seconds": 59}, "60 or more"),
    ],
)
def test_what_is_no_experiment_is_an_error(listing, arms, fields, why):
    with pytest.raises(ValueError, match=why):
        serve(listing, arms, **fields)
