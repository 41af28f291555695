"""Runs with goals: prices chosen together, explained, replayed, done once; or held with what could be met."""

from decimal import Decimal
from itertools import pairwise
from itertools import product as combinations

import numpy as np
import pytest
from django.db import IntegrityError
from django.db.models import F, Q
from django.utils import timezone

from catalog.models import Category, CompetitorPrice, Listing, PriceChange, PriceGroup, PriceGroupMember
from catalog.models.listing import PriceSource
from optimizer.engine.cross_price import joint_prices
from optimizer.models import CrossElasticity, OptimizationRun, Recommendation, RunGoals, TrainingJob
from optimizer.portfolio_replay import replay_portfolio, why_not
from optimizer.selectors.explanations import explanation_of
from optimizer.selectors.portfolios import certificate_words
from optimizer.services.open_run import open_run
from optimizer.services.optimize_chunk import MAX_ATTEMPTS, optimize_chunk
from optimizer.services.solve_portfolio import solve_portfolio
from optimizer.services.solve_together import solve_together
from optimizer.tasks import publish_prices, resume_stalled_runs
from tests.factories import make_channel, make_listing, publish
from tests.optimizer.closing import close_run
from tests.optimizer.factories import make_fit
from tests.optimizer.test_solve_price_groups import kill_in_the_middle

pytestmark = pytest.mark.django_db


def a_shop(size=12):
    """Listings between 5 and 27 with unlike costs: alone most prices would rise."""
    return [
        make_listing(list_price=Decimal(5 + 2 * number), unit_cost=Decimal(5 + 2 * number) * Decimal("0.6"))
        for number in range(size)
    ]


def computed(listings, **fields) -> OptimizationRun:
    make_fit(make_channel(), listings, mean=-2.2)
    run = open_run(channel=make_channel(), objective=fields.pop("objective", "profit"), now=timezone.now(), **fields)
    for first_pk in run.chunks.order_by("first_pk").values_list("first_pk", flat=True):
        optimize_chunk(run_id=run.pk, first_pk=first_pk, now=timezone.now())
    return run


def finished(listings, **fields) -> OptimizationRun:
    run = computed(listings, **fields)
    solve_together(run_id=run.pk, now=timezone.now())
    return close_run(run_id=run.pk, now=timezone.now())


def test_prices_meet_the_goals_and_say_what_those_cost():
    RunGoals.objects.create(channel=make_channel(), least_revenue_change=Decimal("0.01"), most_changes=7)
    run = finished(a_shop())
    assert run.status == "succeeded", run.error
    assert run.guard_numbers["revenue_shift"] >= 0.01
    assert run.guard_numbers["changed"] <= 7
    certificate = run.portfolio
    assert certificate["value"] <= certificate["bound"] * (1 + 1e-9)
    assert certificate["value"] == pytest.approx(run.guard_numbers["profit_after"], rel=1e-6)
    assert certificate["skus"] == 12
    words = {goal["goal"]: goal["words"] for goal in certificate["goals"]}
    assert words["revenue floor"].startswith("revenue floor: one more % of revenue costs ")
    assert words["revenue floor"].endswith(" GBP of profit a week")
    moved = PriceChange.objects.filter(run_id=run.pk).exclude(price=F("previous_price"))
    assert moved.count() == run.guard_numbers["changed"]


def test_every_price_that_the_goals_moved_replays_or_says_why_not():
    RunGoals.objects.create(channel=make_channel(), least_revenue_change=Decimal("0.01"), most_changes=7)
    run = finished(a_shop(30), publishes=False)
    moved = Recommendation.objects.filter(run=run, binding_rule="portfolio")
    assert moved.count() > 5
    replayed = [row for row in moved if not why_not(row.explanation["replay"])]
    assert len(replayed) > len(moved) / 2
    for row in replayed:
        assert replay_portfolio(row.explanation["replay"]).confirmed
        assert row.explanation["clamps"][-1]["rule"] == "portfolio"
        assert row.explanation["clamps"][-1]["after"] == f"{row.price:.2f}"
    wrong = replayed[0].explanation["replay"]
    other = next(ticks for ticks in wrong["portfolio"]["options"] if ticks != wrong["price_ticks"])
    assert not replay_portfolio(wrong | {"price_ticks": other}).confirmed


def test_the_page_of_a_price_works_it_out_again():
    RunGoals.objects.create(channel=make_channel(), least_revenue_change=Decimal("0.012"))
    listings = a_shop(20)
    run = finished(listings)
    rows = Recommendation.objects.filter(run=run, binding_rule="portfolio", outcome="published")
    plain = [row for row in rows if not why_not(row.explanation["replay"])]
    assert plain
    listing = Listing.objects.get(pk=plain[0].listing_id)
    assert explanation_of(listing=listing, now=timezone.now())["replay"].price == listing.price


def test_without_goals_nothing_is_done_and_the_run_closes():
    listing = make_listing()
    run = computed([listing])
    before = Recommendation.objects.get(run=run).price
    solve_portfolio(run_id=run.pk, now=timezone.now())
    run = close_run(run_id=run.pk, now=timezone.now())
    assert run.status == "succeeded" and run.portfolio == {}
    assert Recommendation.objects.get(run=run).price == before


def test_a_run_waits_for_its_goals_and_chooses_once():
    RunGoals.objects.create(channel=make_channel(), most_changes=3)
    run = computed(a_shop())
    assert not close_run(run_id=run.pk, now=timezone.now()).is_finished
    assert solve_portfolio(run_id=run.pk, now=timezone.now())
    assert not solve_portfolio(run_id=run.pk, now=timezone.now())
    assert close_run(run_id=run.pk, now=timezone.now()).guard_numbers["changed"] == 3


def test_the_goals_are_those_of_the_opening():
    goals = RunGoals.objects.create(channel=make_channel(), most_changes=3)
    run = computed(a_shop())
    goals.most_changes = 1
    goals.save()
    solve_together(run_id=run.pk, now=timezone.now())
    assert close_run(run_id=run.pk, now=timezone.now()).guard_numbers["changed"] == 3


def test_goals_that_cannot_be_met_hold_the_run_with_what_could_be():
    RunGoals.objects.create(channel=make_channel(), least_revenue_change=Decimal("0.9"))
    run = finished(a_shop())
    assert run.status == "held"
    assert run.error.startswith("the goals cannot be met: revenue floor: +90.0% of today's expected revenue is asked")
    assert not PriceChange.objects.filter(run_id=run.pk).exists()


def test_a_price_index_is_kept_in_each_category_and_for_key_value_items():
    wine, beer = (Category.objects.create(code=code, name=code) for code in ("wine", "beer"))
    listings = []
    for number in range(16):
        listing = make_listing(category=wine if number % 2 else beer)
        listing.product.is_kvi = number < 4
        listing.product.save()
        CompetitorPrice.objects.create(
            listing=listing, competitor="rival", price=Decimal("10.50"), observed_at=timezone.now()
        )
        listings.append(listing)
    RunGoals.objects.create(
        channel=make_channel(),
        index_high=Decimal("1.02"),
        kvi_index_low=Decimal("0.93"),
        kvi_index_high=Decimal("0.96"),
    )
    run = finished(listings)
    assert run.status == "succeeded", run.error
    price = {row.listing_id: float(row.price) / 10.5 for row in Recommendation.objects.filter(run=run)}
    for category in (wine, beer):
        own = [each for each in listings if each.product.category == category]
        assert sum(price[each.pk] for each in own) / len(own) <= 1.02 + 1e-9
        kvi = [price[each.pk] for each in own if each.product.is_kvi]
        assert 0.93 - 1e-9 <= sum(kvi) / len(kvi) <= 0.96 + 1e-9
    assert {goal["group"] for goal in run.portfolio["goals"]} == {"wine", "beer"}


def test_a_price_that_a_person_holds_counts_nowhere():
    listings = a_shop(6)
    publish(listings[0], "6.00", source=PriceSource.OVERRIDE)
    RunGoals.objects.create(channel=make_channel(), least_revenue_change=Decimal("0.01"))
    run = finished(listings)
    assert run.status == "succeeded", run.error
    assert run.portfolio["skus"] == 5
    listings[0].refresh_from_db()
    assert listings[0].price == Decimal("6.00")


def test_a_family_keeps_one_price_under_goals_and_hears_of_it():
    listings = a_shop(10)
    for listing in listings[:2]:
        Listing.objects.filter(pk=listing.pk).update(list_price=Decimal("10.00"), unit_cost=Decimal("6.00"))
        listing.refresh_from_db()
    group = PriceGroup.objects.create(kind="family", name="mugs")
    for listing in listings[:2]:
        PriceGroupMember.objects.create(group=group, kind="family", product=listing.product)
    RunGoals.objects.create(channel=make_channel(), least_revenue_change=Decimal("0.013"))
    run = finished(listings)
    assert run.status == "succeeded", run.error
    one, two = Recommendation.objects.filter(run=run, listing__in=listings[:2])
    assert one.price == two.price
    assert {member["price"] for member in one.explanation["group"]["members"]} == {f"{one.price:.2f}"}
    if one.binding_rule == "portfolio":
        listings[0].refresh_from_db()
        assert "relatives" in explanation_of(listing=listings[0], now=timezone.now())["replay"].note


def test_a_run_whose_worker_was_killed_before_its_goals_is_gone_on_with(monkeypatch):
    RunGoals.objects.create(channel=make_channel(), most_changes=2)
    run = computed(a_shop())
    monkeypatch.setattr("optimizer.tasks.publish_prices.delay", publish_prices)
    resume_stalled_runs()
    run.refresh_from_db()
    assert run.status == "succeeded" and run.guard_numbers["changed"] == 2


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_it_ends_as_one_that_was_not_disturbed():
    RunGoals.objects.create(channel=make_channel(), most_changes=4)
    run = computed(a_shop())
    alone = dict(Recommendation.objects.filter(run=run).values_list("listing", "price"))
    kill_in_the_middle(run)
    run.refresh_from_db()
    assert (run.portfolio_attempts, run.portfolio_solved_at, run.portfolio) == (1, None, {})
    assert dict(Recommendation.objects.filter(run=run).values_list("listing", "price")) == alone
    assert solve_portfolio(run_id=run.pk, now=timezone.now())
    done = close_run(run_id=run.pk, now=timezone.now())
    assert done.status == "succeeded" and done.guard_numbers["changed"] == 4


def test_begun_three_times_in_vain_it_fails_the_run():
    RunGoals.objects.create(channel=make_channel(), most_changes=2)
    run = computed(a_shop())
    OptimizationRun.objects.filter(pk=run.pk).update(portfolio_attempts=MAX_ATTEMPTS)
    assert not solve_portfolio(run_id=run.pk, now=timezone.now())
    run.refresh_from_db()
    assert run.status == "failed" and "the prices for the goals were begun 3 times in vain" in run.error


def test_a_run_over_some_listings_has_no_goals():
    RunGoals.objects.create(channel=make_channel(), most_changes=0)
    listings = a_shop(3)
    make_fit(make_channel(), listings)
    run = open_run(channel=make_channel(), objective="profit", now=timezone.now(), only=Q(pk=listings[0].pk))
    assert run.goals == {}


def test_goals_that_contradict_themselves_are_refused_by_the_database():
    with pytest.raises(IntegrityError, match="goals_index_not_crossed"):
        RunGoals.objects.create(channel=make_channel(), index_low=Decimal("1.1"), index_high=Decimal("1.0"))


def learned(pairs, *, status="done", channel=None) -> TrainingJob:
    """Make a job that learned elasticities between listings, by (whose demand, whose price)."""
    now = timezone.now()
    job = TrainingJob.objects.create(
        channel=channel or make_channel(), kind="cross", status=status, created_at=now, finished_at=now
    )
    CrossElasticity.objects.bulk_create(
        CrossElasticity(job=job, listing=demand, other=price, mean=mean, sd=0.05, probability=0.95)
        for (demand, price), mean in pairs.items()
    )
    return job


def each_other(one, two, mean):
    return {(one, two): mean, (two, one): mean}


def prices(run) -> dict[int, Decimal]:
    return dict(Recommendation.objects.filter(run=run).values_list("listing", "price"))


def a_loose_goal() -> None:
    RunGoals.objects.create(channel=make_channel(), least_revenue_change=Decimal("-0.50"))


@pytest.mark.parametrize("elasticity", [0.5, -0.3])
def test_substitutes_are_dearer_and_complements_cheaper_than_alone_near_the_joint_best(elasticity):
    a_loose_goal()
    listings = [make_listing(unit_cost=Decimal(cost)) for cost in ("5.40", "5.20")]
    stranger = make_listing(unit_cost=Decimal("5.30"))
    alone = prices(finished([*listings, stranger], publishes=False))
    job = learned(each_other(*listings, elasticity))
    run = finished([*listings, stranger], publishes=False)
    together = prices(run)
    assert together[stranger.pk] == alone[stranger.pk]
    for listing in listings:
        assert (together[listing.pk] - alone[listing.pk]) * (1 if elasticity > 0 else -1) > 0
    recorded = [Recommendation.objects.get(run=run, listing=each).explanation["replay"] for each in listings]
    options = [row["portfolio"]["options"] for row in recorded]
    own = np.diag([row["elasticity_mean"] for row in recorded])
    shop = {
        "elasticity": own + elasticity * (1 - np.eye(2)),
        "price": np.array([1_000.0, 1_000.0]),
        "unit_cost": np.array([row["cost_units"] / 100 for row in recorded]),
        "demand": np.array([row["demand"] for row in recorded]),
    }

    def profit(pair) -> float:
        units = shop["demand"] * np.exp(shop["elasticity"] @ np.log(np.array(pair) / shop["price"]))
        return float(((np.array(pair) - shop["unit_cost"]) * units).sum())

    before, after = ([float(found[each.pk]) * 100 for each in listings] for found in (alone, together))
    most = max(profit(pair) for pair in combinations(*options))
    best = joint_prices(**shop, candidates=np.array(options, dtype=float))
    assert best.profit == pytest.approx(most)
    assert profit(after) - profit(before) > 0.8 * (most - profit(before)) > 0
    np.testing.assert_allclose(after, best.price, rtol=0.04)
    cross = run.portfolio["cross"]
    assert (cross["job"], cross["skus"]) == (str(job), 2) and cross["value"] != 0
    assert run.portfolio["value"] == pytest.approx(run.guard_numbers["profit_after"] + cross["value"], rel=1e-6)


def test_what_prices_do_to_others_is_said_and_their_prices_replay():
    RunGoals.objects.create(channel=make_channel(), least_revenue_change=Decimal("0.01"), most_changes=16)
    listings = a_shop(20)
    pairs = {}
    for one, two in pairwise(listings):
        pairs |= each_other(one, two, 0.3)
    learned(pairs)
    run = finished(listings)
    assert run.status == "succeeded", run.error
    cross = run.portfolio["cross"]
    assert cross["skus"] == 20
    assert certificate_words(run).endswith(
        f" What 20 prices do to the sales of other products is counted: {abs(cross['value']):.2f} GBP "
        f"{'more' if cross['value'] >= 0 else 'less'} profit a week."
    )
    moved = Recommendation.objects.filter(run=run, binding_rule="portfolio")
    plain = [row for row in moved if not why_not(row.explanation["replay"])]
    assert len(plain) > 3
    for row in plain:
        replay = row.explanation["replay"]
        assert replay["portfolio"]["cross"] > 0 and replay_portfolio(replay).confirmed
    without = [row.explanation["replay"] for row in plain]
    for each in without:
        each["portfolio"]["cross"] = 0.0
    assert not all(replay_portfolio(each).confirmed for each in without), "the effects decided some of them"


def test_a_job_that_failed_or_learned_nothing_of_the_runs_listings_changes_nothing():
    RunGoals.objects.create(channel=make_channel(), least_revenue_change=Decimal("0.01"), most_changes=7)
    listings = a_shop()
    plain = finished(listings, publishes=False)
    elsewhere = make_channel("shop")
    learned(each_other(*listings[:2], 0.5), status="failed")
    learned(each_other(*listings[:2], 0.5), channel=elsewhere)
    same = finished(listings, publishes=False)
    assert same.portfolio == plain.portfolio and prices(same) == prices(plain)
    learned(each_other(*listings[:2], 0.5))
    learned({(listings[0], make_listing(channel=elsewhere)): 0.5})
    newest = finished(listings, publishes=False)
    assert newest.portfolio == plain.portfolio and "cross" not in newest.portfolio
    assert prices(newest) == prices(plain)
