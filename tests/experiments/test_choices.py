"""By which probabilities decisions are drawn: planned by the policies of an experiment, while nothing has changed."""

import uuid
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import transaction
from django.utils import timezone

from catalog.models import (
    ApprovalPolicy,
    Category,
    CompetitorPrice,
    GuardrailPolicy,
    Listing,
    PriceGroup,
    PriceGroupMember,
    Product,
)
from catalog.models.listing import PriceSource
from catalog.services.kill_switches import flip_kill_switch
from experiments.models import (
    ArmCount,
    BanditArm,
    BanditExperiment,
    Challenger,
    ChoiceSet,
    IntensityPolicy,
    PricingDecision,
)
from experiments.selectors.arm_counts import KEPT_EPOCHS, epoch_of, outcome_counts
from experiments.selectors.bandit_experiments import Policies
from experiments.selectors.ladder_cache import LASTS
from experiments.services.arm_counts import add_counts, merge_old_epochs
from experiments.services.choices import FRESH, Choice, ChoiceBook, choices_since, newest_choice_id
from experiments.services.decide_prices import DemandEvent, decide_prices
from experiments.services.plan_choices import ChoicePlanner
from experiments.services.record_outcomes import Outcome, record_outcomes
from tests.factories import make_channel, make_listing, publish

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()


def decide(number, sku="A", *, book=None, now=NOW, seed=0):
    events = [DemandEvent(uuid.uuid4(), "web", sku, "london", 1, 1, now) for _ in range(number)]
    with transaction.atomic():
        return decide_prices(events=events, now=now, rng=np.random.default_rng(seed), book=book).decided


def learn(decided, rate):
    """Answer decisions: bought with a probability by price."""
    rng = np.random.default_rng(1)
    outcomes = [Outcome(each.decision_id, bool(rng.random() < rate(float(each.price))), NOW) for each in decided]
    record_outcomes(outcomes=outcomes, now=NOW)


def plan(book, now=NOW):
    choices = ChoicePlanner(rng=np.random.default_rng(2)).plan(book.touched.take(), now=now)
    book.keep(choices)
    return choices


def policies_used():
    return Counter(PricingDecision.objects.values_list("choice_set__policy", flat=True))


def test_the_default_policy_plans_and_its_plan_is_decided_by():
    make_listing("A")
    book = ChoiceBook(is_planned=True)
    learn(decide(400, book=book), lambda price: 0.9 if price < 10.2 else 0.05)
    assert policies_used() == {"beta_bernoulli": 400}  # until somebody has planned
    (choice,) = plan(book)
    assert choice.policy == "demand_curve_bank" and sum(choice.probabilities) == pytest.approx(1)
    assert choice.prices[int(np.argmax(choice.probabilities))] == Decimal("10.00")
    decide(50, book=book)
    assert policies_used()["demand_curve_bank"] == 50
    assert set(PricingDecision.objects.filter(choice_set=choice.set_id).values_list("arm", flat=True)) <= set(
        choice.arms
    )


def test_where_no_plan_comes_the_reference_policy_goes_on_learning():
    make_listing("A")
    book = ChoiceBook(is_planned=True)
    learn(decide(200, book=book), lambda price: 1.0 if price == 10.5 else 0.0)
    decide(1, book=book, now=NOW + FRESH / 2)
    assert ChoiceSet.objects.count() == 1
    decide(1, book=book, now=NOW + FRESH)
    newest = ChoiceSet.objects.latest("pk")
    assert newest.policy == "beta_bernoulli" and sum(newest.alphas) > 5 and max(newest.probabilities) > 0.9


def test_another_process_decides_by_the_stored_plan():
    make_listing("A")
    book = ChoiceBook(is_planned=True)
    decide(10, book=book)
    (choice,) = plan(book)
    decide(5)
    assert PricingDecision.objects.filter(choice_set=choice.set_id).count() == 5
    assert [each.set_id for each in choices_since(choice.set_id - 1)] == [choice.set_id] == [newest_choice_id()]


def test_a_plan_that_hardly_differs_is_not_stored_again():
    make_listing("A")
    book, planner = ChoiceBook(is_planned=True), ChoicePlanner(rng=np.random.default_rng(2))
    BanditExperiment.objects.create(channel=make_channel(), champion="beta_bernoulli")
    decided = decide(300, book=book)
    learn(decided, lambda price: 1.0 if price == 10.5 else 0.0)  # no doubt is left
    touched = book.touched.take()
    assert [len(planner.plan(touched, now=NOW)) for _ in range(2)] == [1, 0]


def test_champion_and_challengers_share_one_stream_and_what_it_teaches():
    make_listing("A")
    experiment = BanditExperiment.objects.create(channel=make_channel(), champion="beta_bernoulli")
    Challenger.objects.create(experiment=experiment, policy="pooled_prior", share=20)
    Challenger.objects.create(experiment=experiment, policy="discounted", share=30)
    book = ChoiceBook(is_planned=True)
    learn(decide(200, book=book), lambda price: 0.5)
    assert {choice.policy for choice in plan(book)} == {"beta_bernoulli", "pooled_prior", "discounted"}
    before = PricingDecision.objects.count()
    decided = decide(1_000, book=book)
    rows = PricingDecision.objects.order_by("pk")[before:]
    shares = Counter(row.choice_set.policy for row in rows.select_related("choice_set"))
    assert shares["pooled_prior"] == pytest.approx(200, abs=50) and shares["discounted"] == pytest.approx(300, abs=60)
    learn(decided, lambda price: 0.5)
    assert sum(ArmCount.objects.values_list("decided", flat=True)) == 1_200  # one count for all of them
    alphas = {choice.policy: ChoiceSet.objects.get(pk=choice.set_id).alphas for choice in plan(book)}
    assert len({tuple(each) for each in alphas.values()}) == 1


def test_who_decides_an_event_does_not_change_and_follows_the_shares():
    policies = Policies("a", (("b", 10), ("c", 25)), salt=4)
    events = [uuid.UUID(int=number) for number in range(8_000)]
    drawn = [policies.policy_of(event) for event in events]
    assert drawn == [policies.policy_of(event) for event in events]
    shares = Counter(drawn)
    assert shares["b"] / 8_000 == pytest.approx(0.10, abs=0.015) and shares["c"] / 8_000 == pytest.approx(
        0.25, abs=0.02
    )
    other = Policies("a", (("b", 10), ("c", 25)), salt=5)
    assert [other.policy_of(event) for event in events] != drawn


def test_a_category_has_policies_of_its_own():
    category = Category.objects.create(code="mugs", name="Mugs")
    make_listing("A"), make_listing("B", category=category)
    BanditExperiment.objects.create(channel=make_channel(), champion="discounted")
    BanditExperiment.objects.create(channel=make_channel(), category=category, champion="sliding_window")
    book = ChoiceBook(is_planned=True)
    decide(1, "A", book=book), decide(1, "B", book=book)
    assert sorted(choice.policy for choice in plan(book)) == ["discounted", "sliding_window"]


@pytest.mark.parametrize(("worth", "best"), [("price", "10.00"), ("margin", "11.00")])
def test_what_a_purchase_is_worth_decides_which_price_is_best(worth, best):
    make_listing("A", unit_cost=Decimal("8.00"))
    BanditExperiment.objects.create(channel=make_channel(), champion="beta_bernoulli", worth=worth)
    decide(1)
    rates = {"9.42": 0.5, "9.50": 0.5, "10.00": 0.5, "10.50": 0.42, "11.00": 0.40}
    for arm in BanditArm.objects.all():
        bought = round(100_000 * rates[f"{arm.price:.2f}"])
        add_counts(purchases={(arm.pk, 0): bought}, rejections={(arm.pk, 0): 100_000 - bought})
    book = ChoiceBook(is_planned=True)
    decide(1, book=book)
    (choice,) = plan(book)
    assert f"{choice.prices[int(np.argmax(choice.probabilities))]:.2f}" == best


def test_a_choice_draws_as_its_stored_set_does():
    make_listing("A")
    decide(3)
    row = ChoiceSet.objects.first()
    choice = Choice.of(row)
    points = [0.0, *np.cumsum(row.probabilities)[:-1].tolist(), *np.random.default_rng(0).random(200).tolist()]
    assert [choice.arm_at(point) for point in points] == [row.arm_at(point) for point in points]


def test_policies_see_the_same_before_and_after_old_epochs_are_merged():
    make_listing("A")
    decide(1)
    arms = np.array([BanditArm.objects.order_by("price").values_list("pk", flat=True)])
    today = epoch_of(NOW)
    for age in (0, 5, 150, 400, 900):
        add_counts(decided={(arms[0, 0], today - age): 3}, purchases={(arms[0, 1], today - age): age + 1})
    add_counts(rejections={(arms[0, 2], today - 900): 1})
    before = outcome_counts(arms, epoch=today)
    merge_old_epochs(epoch=today)
    # An assumed rejection of an epoch that is merged by now is taken back.
    add_counts(rejections={(arms[0, 2], today - 900): -1}, purchases={(arms[0, 2], today - 900): 1})
    after = outcome_counts(arms, epoch=today)
    before.rejections[0, 0, 2] -= 1
    before.purchases[0, 0, 2] += 1
    assert after == before and len(after.decided) <= 2 * KEPT_EPOCHS
    assert ArmCount.objects.filter(epoch__lt=today - 2 * KEPT_EPOCHS).count() == 1


def raise_cost():
    Listing.objects.filter(product__sku="A").update(unit_cost=Decimal("8.90"))


def tie_together():
    group = PriceGroup.objects.create(name="family", kind="family")
    for product in Product.objects.filter(sku__in=["A", "B"]):
        PriceGroupMember.objects.create(group=group, kind="family", product=product)


CHANGES = {
    "cost": raise_cost,
    "list price": lambda: Listing.objects.filter(product__sku="A").update(list_price=Decimal("12")),
    "override": lambda: publish(Listing.objects.get(product__sku="A"), "9.00", source=PriceSource.OVERRIDE),
    "guardrail for all": lambda: GuardrailPolicy.objects.create(max_change=Decimal("0.01")),
    "guardrail of the product": lambda: GuardrailPolicy.objects.create(
        product=Listing.objects.get(product__sku="A").product, ceiling=Decimal("10.20"), currency="GBP"
    ),
    "competitor": lambda: CompetitorPrice.objects.create(
        listing=Listing.objects.get(product__sku="A"), competitor="x", price=Decimal("9"), observed_at=NOW
    ),
    "approval policy": lambda: ApprovalPolicy.objects.create(max_change=Decimal("0.01")),
    "kill switch": lambda: flip_kill_switch(
        channel=None, category=None, model="", reason="test", by=None, through="test", now=NOW
    ),
    "demand thresholds": lambda: IntensityPolicy.objects.create(low=Decimal("2"), high=Decimal("3")),
    "champion": lambda: BanditExperiment.objects.create(channel=make_channel(), champion="discounted"),
    "relation": tie_together,
    "not sold": lambda: (
        Listing.objects.get(product__sku="A").product.__class__.objects.filter(sku="A").update(is_active=False)
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_process_remembers_of_a_listing_is_used_until_anything_changes(change):
    make_listing("A"), make_listing("B")
    cache = ChoiceBook().ladders
    first = cache.priceable(channel="web", skus=["A"], now=NOW)["A"]
    assert cache.priceable(channel="web", skus=["A"], now=NOW)["A"] is first
    CHANGES[change]()
    assert cache.priceable(channel="web", skus=["A"], now=NOW).get("A") is not first


def test_a_relatives_price_breaks_the_fence_and_time_does():
    make_listing("A"), make_listing("B")
    tie_together()
    cache = ChoiceBook().ladders
    first = cache.priceable(channel="web", skus=["A"], now=NOW)["A"]
    Listing.objects.filter(product__sku="B").update(list_price=Decimal("10.50"))
    second = cache.priceable(channel="web", skus=["A"], now=NOW)["A"]
    assert second is not first
    assert cache.priceable(channel="web", skus=["A"], now=NOW + LASTS)["A"] is not second


def test_a_plan_whose_prices_are_not_todays_is_left_at_once():
    make_listing("A")
    book = ChoiceBook(is_planned=True)
    decide(10, book=book)
    plan(book)
    raise_cost()
    assert min(Decimal(each.price) for each in decide(100, book=book)) >= Decimal("10.48")
    book.touched.add(PricingDecision.objects.values_list("context", flat=True))
    (choice,) = plan(book, now=NOW + timedelta(seconds=1))
    assert min(choice.prices) >= Decimal("10.48")
