import uuid
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from catalog.gateway import served_prices
from catalog.models import (
    ApprovalPolicy,
    GuardrailPolicy,
    LowestOffer,
    PriceChange,
    PriceGroup,
    PriceGroupMember,
    Product,
)
from catalog.models.listing import PriceSource
from catalog.services.kill_switches import flip_kill_switch
from catalog.services.lowest_offers import record_offers
from catalog.services.markdown_marks import mark_markdown
from experiments.models import BanditArm, BanditContext, ChoiceSet, IntensityPolicy, PricingDecision
from experiments.selectors.ladders import price_ladders
from experiments.services.arm_counts import add_counts
from experiments.services.choices import PROPENSITY_FLOOR
from experiments.services.decide_prices import OUTCOME_WINDOW, DemandEvent, decide_prices
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db


def event(sku, *, event_id=None, **fields):
    defaults = {"channel": "web", "location": "london", "demand": 10, "supply": 10, "occurred_at": timezone.now()}
    return DemandEvent(event_id=event_id or uuid.uuid4(), sku=sku, **defaults | fields)


def decide(*events, now=None, seed=0):
    return decide_prices(events=events, now=now or timezone.now(), rng=np.random.default_rng(seed))


def test_every_event_gets_a_price_inside_the_guardrails_with_its_propensity():
    listing = make_listing("A", list_price=Decimal("10.00"), unit_cost=Decimal("8.00"))  # 15 % margin: 9.42 at least
    now = timezone.now()
    report = decide(*[event("A") for _ in range(200)], now=now)
    rows = PricingDecision.objects.all()
    assert len(report.decided) == rows.count() == 200
    assert {row.price for row in rows} == {Decimal(p) for p in ("9.42", "9.50", "10.00", "10.50", "11.00")}
    assert {row.floor for row in rows} == {Decimal("9.42")}
    assert all(PROPENSITY_FLOOR <= row.propensity < 1 for row in rows)
    assert {row.state for row in rows} == {"waiting"}
    first = report.decided[0]
    assert (first.currency, first.list_price, first.intensity) == ("GBP", "10.00", "medium")
    assert first.outcome_due_at == now + OUTCOME_WINDOW
    listing.refresh_from_db()
    assert listing.price is None  # a decision for one place is not the channel's price


def test_propensities_of_the_arms_sum_to_one_and_match_how_often_each_is_drawn():
    make_listing("A")
    decide(*[event("A") for _ in range(4000)])
    drawn = Counter(PricingDecision.objects.values_list("price", "propensity"))
    assert len(drawn) == 5
    assert sum(propensity for _, propensity in drawn) == pytest.approx(1.0)
    for (_, propensity), times in drawn.items():
        assert times / 4000 == pytest.approx(propensity, abs=0.03)


def test_a_redelivered_event_is_decided_once_across_batches_and_within_one():
    make_listing("A")
    once = event("A")
    assert len(decide(once, once, event("A")).duplicates) == 1
    report = decide(once, event("A"))
    assert (len(report.decided), report.duplicates) == (1, [once])
    assert PricingDecision.objects.count() == 3


def test_demand_over_supply_chooses_the_context():
    make_listing("A")
    shapes = [(0, 9, "low"), (4, 9, "low"), (9, 9, "medium"), (0, 0, "medium"), (14, 9, "high"), (1, 0, "high")]
    report = decide(*[event("A", demand=demand, supply=supply) for demand, supply, _ in shapes])
    assert [each.intensity for each in report.decided] == [level for _, _, level in shapes]
    assert BanditContext.objects.count() == 3


def test_a_channels_own_thresholds_win():
    make_listing("A")
    IntensityPolicy.objects.create(low=Decimal("0.1"), high=Decimal("0.2"))
    assert decide(event("A", demand=1, supply=1)).decided[0].intensity == "high"
    IntensityPolicy.objects.create(channel=make_channel(), low=Decimal("2"), high=Decimal("3"))
    assert decide(event("A", demand=1, supply=1)).decided[0].intensity == "low"


def test_thresholds_that_do_not_rise_are_refused():
    with pytest.raises(IntegrityError), transaction.atomic():
        IntensityPolicy.objects.create(low=Decimal("2"), high=Decimal("2"))


def test_unknown_and_inactive_listings_are_reported_and_the_rest_is_decided():
    make_listing("A")
    make_listing("OLD", is_active=False)
    report = decide(event("A"), event("NONE"), event("OLD"), event("A", channel="moon"))
    assert len(report.decided) == 1
    assert [each.sku for each in report.unknown_listing] == ["A", "NONE", "OLD"]


def test_a_decision_replays_from_what_was_on_offer_and_where_its_draw_fell():
    make_listing("A"), make_listing("B", unit_cost=Decimal("8.00"))
    decide(*[event(sku) for sku in "AB" * 40])
    rows = PricingDecision.objects.select_related("choice_set")
    for row in rows:
        assert row.replayed_price == row.price
        chosen = row.choice_set.prices.index(row.price)
        assert row.choice_set.probabilities[chosen] == row.propensity
        assert sum(row.choice_set.probabilities) == pytest.approx(1)
    assert ChoiceSet.objects.count() == 2
    ChoiceSet.objects.update(probabilities=[0.01, 0.01, 0.01, 0.01, 0.96])
    assert any(row.replayed_price != row.price for row in rows.all())


def test_a_price_that_would_need_a_second_person_is_no_arm():
    listing = make_listing("A")
    ApprovalPolicy.objects.create(max_change="0.06", sources=["bandit"])
    assert price_ladders(channel="web", skus={"A"}, now=timezone.now())["A"].prices == (950, 1000, 1050)
    ApprovalPolicy.objects.update(max_change=None, kvi_needs_approval=True)
    Product.objects.update(is_kvi=True)
    assert price_ladders(channel="web", skus={"A"}, now=timezone.now())["A"].prices == (1000,)
    publish(listing, "10.30", source=PriceSource.ROLLBACK)
    assert [why for _, why in decide(event("A")).held] == ["needs_approval"]


def test_a_price_that_would_break_a_relation_is_no_arm():
    group = PriceGroup.objects.create(kind="quality_ladder", name="good and better")
    for position, sku in enumerate(("GOOD", "BETTER")):
        product = make_listing(sku, list_price=Decimal(10 + position)).product
        PriceGroupMember.objects.create(group=group, kind=group.kind, product=product, position=position)
    ladders = price_ladders(channel="web", skus={"GOOD", "BETTER"}, now=timezone.now())
    assert ladders["GOOD"].prices == (900, 950, 1000, 1050) and ladders["BETTER"].prices == (1045, 1100, 1155, 1210)


def test_an_offer_below_the_price_in_force_counts_in_the_prior_price_from_then_on():
    listing = make_listing("A", channel=make_channel("de", currency="EUR", country="DE"))
    publish(listing, "10.00", source=PriceSource.LIST_PRICE, now=timezone.now() - timedelta(days=60))
    decide(*[event("A", channel="de") for _ in range(50)], now=timezone.now() - timedelta(days=5))
    offer = LowestOffer.objects.get()
    assert (offer.listing, offer.price) == (listing, Decimal("9.00"))
    publish(listing, "9.50", source=PriceSource.OVERRIDE, now=timezone.now() - timedelta(days=1))
    answer = served_prices(channel="de", skus=["A"])["A"]
    assert (answer["prior_price"], answer["reduction_may_be_announced"]) == ("9.00", False)
    assert PriceChange.objects.latest("pk").prior_price == Decimal("9.00")


@pytest.mark.parametrize("statement", ["UPDATE {} SET price = 11", "DELETE FROM {}", "UPDATE {} SET day = day + 1"])
def test_the_lowest_offer_of_a_day_only_falls(statement):
    listing = make_listing("A")
    for price in ("9.50", "9.70", "9.40"):
        record_offers(channel=listing.channel, offers=[(listing, Decimal(price))], now=timezone.now())
    assert LowestOffer.objects.get().price == Decimal("9.40")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format("catalog_lowestoffer"))


def test_while_a_markdown_plan_runs_nothing_is_decided():
    mark_markdown(listing_id=make_listing("A").pk, until=timezone.now() + timedelta(days=7))
    assert [why for _, why in decide(event("A")).held] == ["markdown_running"]


def test_without_a_cost_or_under_an_override_nothing_is_decided():
    make_listing("FREE", unit_cost=None)
    make_listing("ZERO", unit_cost=Decimal("0"))
    publish(make_listing("BOSS"), "9.00", source=PriceSource.OVERRIDE)
    report = decide(event("FREE"), event("ZERO"), event("BOSS"))
    assert [(each.sku, why) for each, why in report.held] == [
        ("FREE", "missing_cost"),
        ("ZERO", "missing_cost"),
        ("BOSS", "override"),
    ]
    assert not PricingDecision.objects.exists()


def test_a_price_that_the_guardrails_no_longer_allow_is_not_drawn_again():
    listing = make_listing("A")
    decide(*[event("A") for _ in range(100)])
    listing.unit_cost = Decimal("8.90")  # at 15 % margin: 10.48 at least
    listing.save()
    later = timezone.now() + timedelta(minutes=1)
    decide(*[event("A") for _ in range(100)], now=later)
    assert PricingDecision.objects.filter(decided_at=later, price__lt=Decimal("10.48")).count() == 0
    assert PricingDecision.objects.filter(decided_at=later).count() == 100


def test_an_arm_that_sells_is_drawn_more_often():
    make_listing("A")
    decide(event("A"))
    for arm in BanditArm.objects.all():
        bought = 80 if arm.price == Decimal("10.50") else 20
        add_counts(purchases={(arm.pk, 0): bought}, rejections={(arm.pk, 0): 100 - bought})
    report = decide(*[event("A") for _ in range(100)])
    assert Counter(each.price for each in report.decided)["10.50"] >= 90


def test_where_the_guardrails_leave_one_price_it_is_certain():
    GuardrailPolicy.objects.create(max_change=Decimal("0"))
    make_listing("A")
    (decided,) = decide(event("A")).decided
    assert (decided.price, decided.propensity) == ("10.00", 1.0)


def test_decisions_are_the_same_for_the_same_seed():
    make_listing("A")
    first, second = (decide(*[event("A") for _ in range(50)], seed=5) for _ in range(2))
    assert [each.price for each in first.decided] == [each.price for each in second.decided]


def test_the_number_of_queries_does_not_grow_with_the_batch(django_assert_max_num_queries):
    for number in range(30):
        make_listing(f"S{number}")
    events = [event(f"S{number % 30}", location=f"shop-{number % 7}") for number in range(500)]
    with django_assert_max_num_queries(32):  # of which eight for the law, where a day's lowest offer falls
        decide(*events)


def test_the_database_refuses_a_decision_below_its_floor():
    make_listing("A")
    decide(event("A"))
    with pytest.raises(IntegrityError), transaction.atomic():
        PricingDecision.objects.update(price=Decimal("0.01"))


@pytest.mark.parametrize(("model", "held"), [("", True), ("bandit", True), ("optimizer", False)])
def test_nothing_is_decided_under_a_kill_switch(model, held):
    make_listing("A")
    flip_kill_switch(reason="wrong stock", through="test", model=model, now=timezone.now())
    report = decide(event("A"))
    assert [why for _, why in report.held] == (["kill_switch"] if held else [])
    assert len(report.decided) == (0 if held else 1)


def test_the_page_of_a_decision_says_what_was_on_offer_and_that_it_replays(client):
    make_listing("A")
    decide(event("A"))
    client.force_login(User.objects.create_superuser("boss"))
    url = reverse("admin:experiments_pricingdecision_change", args=[PricingDecision.objects.get().pk])
    text = client.get(url).content.decode()
    assert "£10.50 with " in text and "The same price" in text
