from decimal import Decimal
from itertools import count

import pytest
from django.utils import timezone

from catalog.gate import Proposal, publish_prices
from catalog.models import PriceGroup, PriceGroupMember, ServedExperiment
from catalog.models.listing import PriceSource
from catalog.services.arms import Arm, serve_arms
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db
_keys = count()


def related(kind, *places, prices=("10.00", "10.00", "10.00"), group=None):
    """Listings at the given prices in one group; a place is a pack size, a position or nothing."""
    group = group or PriceGroup.objects.create(kind=kind, name=f"group {PriceGroup.objects.count()}")
    name = {"size_ladder": "pack_size", "quality_ladder": "position"}.get(kind)
    listings = [
        make_listing(list_price=Decimal(price), unit_cost=Decimal("1.00"))
        for _, price in zip(places, prices, strict=False)
    ]
    for listing, place in zip(listings, places, strict=True):
        fields = {name: place} if name else {}
        PriceGroupMember.objects.create(group=group, kind=kind, product=listing.product, **fields)
    return listings


def publish_together(prices, source=PriceSource.OPTIMIZER):
    key = f"together-{next(_keys)}"
    report = publish_prices(
        channel=make_channel(),
        proposals=[Proposal(row.pk, Decimal(price), key, row.price_version) for row, price in prices.items()],
        source=source,
        now=timezone.now(),
    )
    for row in prices:
        row.refresh_from_db()
    return report


def test_a_family_moves_together_or_not_at_all():
    one, two = related("family", None, None)
    assert publish(one, "10.50").refused == {one.pk: "family"}
    assert publish_together({one: "10.50", two: "10.60"}).refused == {one.pk: "family", two.pk: "family"}
    assert sorted(publish_together({one: "10.50", two: "10.50"}).published) == [one.pk, two.pk]


def test_a_larger_pack_may_not_become_dearer_per_unit_nor_cheaper_in_total():
    small, large = related("size_ladder", 1, 2, prices=("5.00", "10.00"))
    assert publish(small, "4.99").refused == {small.pk: "size_ladder"}
    assert publish(large, "10.01").refused == {large.pk: "size_ladder"}
    assert publish(large, "9.99").published
    _, two = related("size_ladder", 1, 2, prices=("9.50", "10.00"))
    assert publish(two, "9.49").refused == {two.pk: "size_ladder"}
    assert publish(two, "9.50").published


def test_a_better_product_keeps_its_step():
    good, better = related("quality_ladder", 1, 2, prices=("10.00", "12.00"))
    PriceGroupMember.objects.filter(product=good.product).update(step_fraction=Decimal("0.1"))
    assert publish(better, "10.99").refused == {better.pk: "quality_ladder"}
    assert publish(better, "11.00").published


def test_members_that_one_call_refuses_for_another_reason_take_the_others_along():
    one, two = related("family", None, None)
    assert publish_together({one: "10.50", two: "0.50"}).refused == {one.pk: "family", two.pk: "loss_floor"}


def test_a_broken_relation_may_get_better_but_not_worse():
    better = related("quality_ladder", 1, 2, prices=("10.00", "8.00"))[1]
    assert publish(better, "7.99").refused == {better.pk: "quality_ladder"}
    report = publish(better, "9.00")
    assert report.published and report.broken_relations == {better.pk: "quality_ladder"}
    assert publish(better, "10.01").broken_relations == {}


def test_a_persons_price_passes_and_the_broken_relation_is_reported():
    one, _ = related("family", None, None)
    report = publish(one, "11.00", source=PriceSource.OVERRIDE)
    assert report.published == [one.pk] and report.broken_relations == {one.pk: "family"}


def test_a_refusal_takes_other_groups_of_the_product_along():
    one, two = related("family", None, None)
    large = related("size_ladder", 2, prices=("20.00",))[0]
    PriceGroupMember.objects.create(
        group=PriceGroup.objects.get(kind="size_ladder"), kind="size_ladder", product=one.product, pack_size=1
    )
    # the large pack may cost 21.00 only if the small one rises too, which its family forbids
    assert publish_together({one: "10.50", large: "21.00"}).refused == {one.pk: "family", large.pk: "size_ladder"}
    assert len(publish_together({one: "10.50", two: "10.50", large: "21.00"}).published) == 3


def test_a_group_of_another_channel_says_nothing():
    group = PriceGroup.objects.create(kind="family", name="elsewhere", channel=make_channel("de", currency="EUR"))
    one, _ = related("family", None, None, group=group)
    assert publish(one, "10.50").published


def test_inactive_members_say_nothing():
    one, two = related("family", None, None)
    two.product.is_active = False
    two.product.save()
    assert publish(one, "10.50").published


def test_a_publish_without_groups_asks_one_question_more(django_assert_max_num_queries):
    listing = make_listing()
    with django_assert_max_num_queries(21):
        publish(listing, "10.50")


def try_arms(unit, prices):
    slot = 3_600 if unit == ServedExperiment.Unit.TIME_SLOT else None
    arms = {
        row.pk: [Arm("control", 5_000, row.price_in_force), Arm("other", 5_000, Decimal(price))]
        for row, price in prices.items()
    }
    return serve_arms(
        channel=make_channel(), experiment="e", salt="s", unit=unit, arms=arms, now=timezone.now(), slot_seconds=slot
    )


@pytest.mark.parametrize("unit", [ServedExperiment.Unit.REGION, ServedExperiment.Unit.TIME_SLOT])
def test_arms_keep_a_family_together_where_all_its_members_draw_the_same_one(unit):
    one, two = related("family", None, None)
    assert try_arms(unit, {one: "10.50"}).refused == {one.pk: "family"}
    assert try_arms(unit, {one: "10.50", two: "10.60"}).refused == {one.pk: "family", two.pk: "family"}
    assert try_arms(unit, {one: "10.50", two: "10.50"}).serving == [one.pk, two.pk]


def test_arms_drawn_by_sku_may_meet_so_that_one_of_related_products_alone_is_tried():
    small, large = related("size_ladder", 1, 2, prices=("5.50", "10.00"))
    report = try_arms(ServedExperiment.Unit.SKU, {small: "5.20", large: "10.20"})
    assert (report.serving, report.refused) == ([small.pk], {large.pk: "related_product"})
