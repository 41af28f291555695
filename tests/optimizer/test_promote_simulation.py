import os
import signal
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from catalog.models import CompetitorPrice, GuardrailPolicy, Listing, PriceChange, ServedExperiment
from catalog.models.listing import PriceSource
from catalog.services.arms import Arm, serve_arms
from catalog.services.roll_back import roll_back_run
from experiments.models import HoldoutListing
from optimizer.assumptions import CostChange
from optimizer.models import Recommendation, RunLimits, Simulation
from optimizer.services import promote_simulation as module
from optimizer.services.promote_simulation import CannotPromote, GateRefused, WorldMoved, promote_simulation
from tests.factories import make_listing, publish
from tests.optimizer.simulations import computed

pytestmark = pytest.mark.django_db


def promoted(simulation: Simulation, **fields) -> Simulation:
    defaults = {"expected": simulation.fingerprint, "author": None, "now": timezone.now()}
    return promote_simulation(run_id=simulation.run_id, **defaults | fields)


def test_all_prices_of_a_simulation_come_into_force():
    listings = [make_listing(), make_listing(), make_listing(unit_cost=None)]
    simulation = computed(*listings)
    boss = User.objects.create_user("boss")
    done = promoted(simulation, author=boss)
    assert done.state == "promoted" and done.promoted_by == boss
    changes = PriceChange.objects.all()
    assert {(row.price, row.run_id, row.author_id) for row in changes} == {
        (Decimal("12.00"), simulation.run_id, boss.pk)
    }
    assert changes[0].reason == "simulation “dearer” promoted" and changes[0].explanation["what_if"]
    outcomes = dict(Recommendation.objects.values_list("listing", "outcome"))
    assert outcomes == {listings[0].pk: "published", listings[1].pk: "published", listings[2].pk: "unpriced"}
    done.run.refresh_from_db()
    assert (done.run.status, done.run.publishes, done.run.error) == ("succeeded", True, "")


def test_what_is_held_out_or_in_an_experiment_is_not_priced_and_the_rest_is_promoted():
    priced, held, tried = (make_listing() for _ in range(3))
    HoldoutListing.objects.create(listing=held, since=timezone.now())
    unit = ServedExperiment.Unit.SKU
    arms = {tried.pk: [Arm("control", 10_000, tried.price_in_force)]}
    serve_arms(channel=tried.channel, experiment="e", salt="s", unit=unit, arms=arms, now=timezone.now())
    simulation = computed(priced, held, tried)
    promoted(simulation)
    reasons = dict(Recommendation.objects.values_list("listing", "outcome_reason"))
    assert reasons == {priced.pk: "", held.pk: "held_out", tried.pk: "in_experiment"}
    assert list(PriceChange.objects.values_list("listing", flat=True)) == [priced.pk]


def test_a_simulation_is_promoted_once():
    listing = make_listing()
    simulation = computed(listing)
    promoted(simulation)
    listing.refresh_from_db()
    publish(listing, "11.00")
    assert promoted(simulation).promoted_at and promoted(simulation, expected="stale").promoted_at
    listing.refresh_from_db()
    assert listing.price == Decimal("11.00") and PriceChange.objects.count() == 2


def test_a_promoted_simulation_can_be_rolled_back():
    listing = make_listing()
    simulation = promoted(computed(listing))
    roll_back_run(run_id=simulation.run_id, author=None, reason="too dear", now=timezone.now())
    listing.refresh_from_db()
    assert listing.price == Decimal("10.00")


def move_price(listing: Listing) -> None:
    publish(listing, "10.50", source=PriceSource.OVERRIDE)


def move_list_price(listing: Listing) -> None:
    Listing.objects.filter(pk=listing.pk).update(list_price=Decimal("10.10"))


def move_cost(listing: Listing) -> None:
    Listing.objects.filter(pk=listing.pk).update(unit_cost=Decimal("6.01"))


def move_policy(listing: Listing) -> None:
    GuardrailPolicy.objects.create(product=listing.product, min_margin=Decimal("0.2"))


def move_competitor(listing: Listing) -> None:
    CompetitorPrice.objects.create(
        listing=listing, competitor="rival", price=Decimal("9.00"), observed_at=timezone.now()
    )


@pytest.mark.parametrize(
    ("move", "what"),
    [
        (move_price, "price"),
        (move_list_price, "price"),
        (move_cost, "unit_cost"),
        (move_policy, "guardrails"),
        (move_competitor, "competitor_price"),
    ],
)
def test_where_the_world_moved_nothing_is_published_and_what_moved_is_named(move, what):
    moving, other = make_listing(sku="85123A"), make_listing()
    simulation = computed(moving, other)
    move(moving)
    before = PriceChange.objects.count()
    with pytest.raises(WorldMoved, match="1 of 2 products moved") as error:
        promoted(simulation)
    assert [(each.sku, each.reason) for each in error.value.examples] == [("85123A", what)]
    assert PriceChange.objects.count() == before
    simulation.refresh_from_db()
    assert simulation.promoted_at is None


def test_many_that_moved_are_counted_and_some_are_named(monkeypatch):
    monkeypatch.setattr(module, "LOCKED_AT_A_TIME", 3)
    simulation = computed(*[make_listing() for _ in range(8)])
    Listing.objects.update(unit_cost=Decimal("6.01"))
    with pytest.raises(WorldMoved, match=r"8 of 8 products .* and 3 more"):
        promoted(simulation)


def test_another_state_than_the_one_that_was_looked_at_is_not_promoted():
    simulation = computed(make_listing())
    with pytest.raises(WorldMoved, match="read it again"):
        promoted(simulation, expected="f" * 64)
    assert not PriceChange.objects.exists()


def test_a_refusal_of_the_gate_leaves_everything_as_it_was():
    # half the cost: the price that is best then breaks the real minimum margin
    dear, cheap = make_listing(sku="85123A", unit_cost=Decimal("9.00")), make_listing(unit_cost=Decimal("1.00"))
    simulation = computed(dear, cheap, cost_changes=(CostChange(Decimal("-0.5")),), objective="market_share")
    with pytest.raises(GateRefused, match="refused 1 prices, so none was published: 85123A") as error:
        promoted(simulation)
    assert (error.value.count, error.value.examples[0].reason) == (1, "loss_floor")
    assert not PriceChange.objects.exists()
    assert set(Recommendation.objects.values_list("outcome", flat=True)) == {"waiting"}
    assert set(Listing.objects.values_list("price_version", flat=True)) == {0}


def test_prices_of_trial_limits_that_the_gate_passes_are_promoted():
    listing = make_listing()
    promoted(computed(listing, guardrails={"max_change": Decimal("0.05")}))
    listing.refresh_from_db()
    assert listing.price == Decimal("10.50")


def test_the_limits_of_a_run_hold_for_a_promotion():
    listings = [make_listing(), make_listing()]
    RunLimits.objects.create(channel=listings[0].channel, max_skus_changed=1)
    with pytest.raises(CannotPromote, match="2 prices would change, more than the limit of 1"):
        promoted(computed(*listings))
    assert not PriceChange.objects.exists()


def test_the_share_of_changed_prices_is_one_of_the_whole_channel():
    listings = [make_listing() for _ in range(4)]
    limits = RunLimits.objects.create(channel=listings[0].channel, max_share_changed=Decimal("0.25"))
    simulation = computed(*listings, skus=(listings[0].product.sku,))
    limits.max_share_changed = Decimal("0.24")
    limits.save()
    with pytest.raises(CannotPromote, match=r"25.0% of prices would change, more than the limit of 24.0%"):
        promoted(simulation)
    limits.max_share_changed = Decimal("0.25")
    limits.save()
    assert promoted(simulation).promoted_at


def test_what_is_not_computed_failed_or_priced_nothing_is_not_promoted():
    simulation = computed(make_listing(unit_cost=None))
    with pytest.raises(CannotPromote, match="no price to publish"):
        promoted(simulation)
    run = simulation.run
    type(run).objects.update(status="failed", error="out of memory")
    with pytest.raises(CannotPromote, match="out of memory"):
        promoted(simulation)
    type(run).objects.update(status="running", finished_at=None)
    with pytest.raises(CannotPromote, match="still being computed"):
        promoted(simulation)


@pytest.mark.django_db(transaction=True)
def test_a_promotion_killed_in_the_middle_is_as_if_never_begun():
    simulation = computed(make_listing(), make_listing())
    connection.close()
    child = os.fork()
    if child == 0:
        module._mark = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
        try:
            promoted(simulation)
        finally:
            os._exit(1)  # never reached: the kill comes first
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not PriceChange.objects.exists()
    promoted(simulation)
    assert PriceChange.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_promotions_at_once_are_one():
    simulation = computed(make_listing(), make_listing())

    def one(_: int) -> bool:
        try:
            return promoted(simulation).promoted_at is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(4)))
    assert PriceChange.objects.count() == 2
