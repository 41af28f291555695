from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from catalog.models import Listing, PriceChange, PriceGroup, PriceGroupMember
from catalog.models.listing import PriceSource
from optimizer.models import OptimizationRun, Recommendation, RunLimits
from optimizer.replay import replay_price
from optimizer.services import hand_to_gate
from optimizer.services import open_run as open_run_module
from optimizer.services.decide_run import decide_run
from optimizer.services.end_run import fail_run
from optimizer.services.open_run import CannotOptimize, open_run
from optimizer.services.optimize_chunk import MAX_ATTEMPTS, optimize_chunk
from optimizer.services.solve_together import solve_together
from optimizer.tasks import publish_prices, resume_stalled_runs
from tests.factories import make_channel, make_listing, publish
from tests.optimizer.closing import close_run
from tests.optimizer.factories import make_fit
from tests.optimizer.forecasters import make_forecast, make_forecaster

pytestmark = pytest.mark.django_db

Outcome = Recommendation.Outcome


def compute(run: OptimizationRun) -> None:
    for first_pk in run.chunks.order_by("first_pk").values_list("first_pk", flat=True):
        optimize_chunk(run_id=run.pk, first_pk=first_pk, now=timezone.now())


def opened(*listings: Listing, **fields) -> OptimizationRun:
    channel = listings[0].channel
    make_fit(channel, list(listings))
    return open_run(channel=channel, objective=fields.pop("objective", "profit"), now=timezone.now(), **fields)


def finished(*listings: Listing, **fields) -> OptimizationRun:
    run = opened(*listings, **fields)
    compute(run)
    return close_run(run_id=run.pk, now=timezone.now())


def test_a_run_publishes_the_best_admissible_prices_with_their_reason():
    # cost 6.00, e = -2 ± 0.3: the markup rule wants about 12.00; at most +20 % on 10.00
    listing = make_listing()
    run = finished(listing)
    assert run.status == "succeeded"
    change = PriceChange.objects.get(listing=listing)
    assert change.run_id == run.pk and change.source == "optimizer"
    row = Recommendation.objects.get(run=run)
    assert row.outcome == Outcome.PUBLISHED and row.price == change.price
    assert change.explanation["model"] == str(run.fit)
    assert change.explanation["inputs"]["unit_cost"]["value"] == "6"


def test_a_fresh_forecast_is_what_a_run_prices_with_and_its_explanation_says_so():
    # 28 units of stock and 40 a week by the fit: the price would have to rise; the forecast expects 7 a week
    listing = make_listing(inventory=28, unit_cost=Decimal("5.00"))
    stored = make_forecast(
        listing, make_forecaster(listing.channel), from_day=date(2011, 6, 27), expected=[1.0] * 28, elasticity=-2.0
    )
    finished(listing)
    change = PriceChange.objects.get(listing=listing)
    assert change.explanation["inputs"]["demand"] == {
        "value": pytest.approx(7.0), "week": "2011-06-27", "forecaster": str(stored.forecaster),
        "at": stored.made_at.isoformat(),
    }  # fmt: skip
    assert change.binding_rule != "stock_limit" and replay_price(change.explanation["replay"]).confirmed


def test_every_explanation_replays_to_its_price():
    prices = ["0.85", "2.95", "10.00", "149.00"]
    listings = [make_listing(list_price=Decimal(p), unit_cost=Decimal(p) * Decimal("0.5123")) for p in prices]
    listings.append(make_listing(inventory=3))
    for objective in ("profit", "revenue", "market_share"):
        run = finished(*listings, objective=objective, publishes=False)
        for row in Recommendation.objects.filter(run=run):
            replayed = replay_price(row.explanation["replay"])
            assert replayed.confirmed and replayed.price_ticks == int(row.price * 100)


def test_the_clamp_trail_leads_from_the_candidate_to_the_price():
    listing = make_listing(unit_cost=Decimal("9.00"), inventory=5000)
    finished(listing)
    explanation = PriceChange.objects.get(listing=listing).explanation
    assert Decimal(explanation["candidate"]) > 12
    assert explanation["clamps"] == [
        {"rule": "max_change", "before": explanation["candidate"], "after": "12.00"},
    ]


def test_skus_that_cannot_be_priced_are_listed_with_the_reason():
    priced, without_cost, without_sales = make_listing(), make_listing(unit_cost=None), make_listing()
    channel = priced.channel
    make_fit(channel, [priced, without_cost])
    run = open_run(channel=channel, objective="profit", now=timezone.now())
    compute(run)
    run = close_run(run_id=run.pk, now=timezone.now())
    reasons = dict(Recommendation.objects.filter(run=run).values_list("listing", "outcome_reason"))
    assert reasons == {priced.pk: "", without_cost.pk: "missing_cost", without_sales.pk: "no_demand"}
    assert run.guard_numbers["outcomes"] == {"published": 1, "unpriced": 2}


def test_the_same_key_is_the_same_run_and_nothing_is_published_twice():
    listing = make_listing()
    run = opened(listing, key="tonight")
    compute(run)
    close_run(run_id=run.pk, now=timezone.now())
    again = open_run(channel=listing.channel, objective="profit", key="tonight", now=timezone.now())
    compute(again)
    close_run(run_id=again.pk, now=timezone.now())
    assert again.pk == run.pk
    assert PriceChange.objects.count() == Recommendation.objects.count() == 1


def test_chunks_cover_every_active_listing_once(monkeypatch):
    monkeypatch.setattr(open_run_module, "CHUNK_LISTINGS", 3)
    listings = [make_listing() for _ in range(8)]
    make_listing(is_active=False)
    run = opened(*listings)
    assert run.chunks.count() == 3
    compute(run)
    assert Recommendation.objects.filter(run=run).count() == 8


def test_a_chunk_delivered_twice_is_computed_once():
    run = opened(make_listing())
    first_pk = run.chunks.get().first_pk
    assert optimize_chunk(run_id=run.pk, first_pk=first_pk, now=timezone.now())
    assert not optimize_chunk(run_id=run.pk, first_pk=first_pk, now=timezone.now())
    assert run.chunks.get().attempts == 1


def test_a_run_is_not_closed_before_its_last_chunk(monkeypatch):
    monkeypatch.setattr(open_run_module, "CHUNK_LISTINGS", 1)
    run = opened(make_listing(), make_listing())
    optimize_chunk(run_id=run.pk, first_pk=run.chunks.first().first_pk, now=timezone.now())
    assert not close_run(run_id=run.pk, now=timezone.now()).is_finished
    assert not PriceChange.objects.exists()


def test_a_chunk_that_never_ends_fails_the_run_and_leaves_prices_alone():
    run = opened(make_listing())
    run.chunks.update(attempts=MAX_ATTEMPTS)
    assert not optimize_chunk(run_id=run.pk, first_pk=run.chunks.get().first_pk, now=timezone.now())
    run.refresh_from_db()
    assert run.status == "failed" and "in vain" in run.error
    assert not PriceChange.objects.exists()


def test_an_error_in_a_chunk_is_kept_with_the_run(monkeypatch):
    run = opened(make_listing())
    monkeypatch.setattr("optimizer.services.optimize_chunk.recommend", lambda **fields: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        optimize_chunk(run_id=run.pk, first_pk=run.chunks.get().first_pk, now=timezone.now())
    run.refresh_from_db()
    assert "division by zero" in run.error and not run.is_finished


def test_a_cost_that_rose_before_the_close_refuses_that_price_only():
    risen, other = make_listing(), make_listing()
    run = opened(risen, other)
    compute(run)
    Listing.objects.filter(pk=risen.pk).update(unit_cost=Decimal("50.00"))
    close_run(run_id=run.pk, now=timezone.now())
    outcomes = dict(Recommendation.objects.values_list("listing", "outcome"))
    assert outcomes == {risen.pk: Outcome.REFUSED, other.pk: Outcome.PUBLISHED}
    assert Recommendation.objects.get(listing=risen).outcome_reason == "loss_floor"
    numbers, published = OptimizationRun.objects.get().guard_numbers, Recommendation.objects.get(listing=other)
    assert numbers["changed"] == 1 and numbers["listings"] == 2
    assert numbers["profit_change"] == pytest.approx(published.profit_change_mean)


def test_a_price_that_changed_meanwhile_is_left_alone():
    listing = make_listing()
    run = opened(listing)
    compute(run)
    publish(listing, "10.80")
    close_run(run_id=run.pk, now=timezone.now())
    listing.refresh_from_db()
    assert listing.price == Decimal("10.80")
    assert Recommendation.objects.get().outcome_reason == "price_changed_meanwhile"


def test_a_dry_run_publishes_nothing():
    run = finished(make_listing(), publishes=False)
    assert run.status == "held" and "dry run" in run.error
    assert Recommendation.objects.get().price and not PriceChange.objects.exists()


def test_a_broken_limit_holds_the_run_back():
    listing = make_listing()
    RunLimits.objects.create(channel=listing.channel, max_share_changed=Decimal("0.5"))
    run = finished(listing)
    assert run.status == "held" and "100.0% of prices would change" in run.error
    assert not PriceChange.objects.exists()


def test_a_run_that_would_change_more_skus_than_allowed_is_held():
    listings = [make_listing(), make_listing()]
    limits = RunLimits.objects.create(channel=listings[0].channel, max_skus_changed=1)
    run = finished(*listings)
    assert run.status == "held" and run.error == "held: 2 prices would change, more than the limit of 1"
    assert not PriceChange.objects.exists()
    limits.max_skus_changed = 2
    limits.save()
    assert finished(*listings).status == "succeeded"


def test_guard_numbers_add_up():
    run = finished(*[make_listing() for _ in range(4)])
    rows = Recommendation.objects.filter(run=run)
    numbers = run.guard_numbers
    assert numbers["priced"] == 4 and numbers["share_changed"] == 1.0
    assert numbers["profit_change"] == pytest.approx(sum(row.profit_change_mean for row in rows))
    low, high = numbers["profit_change_90_percent"]
    assert high - low == pytest.approx(2 * 1.645 * sum(row.profit_change_sd**2 for row in rows) ** 0.5)


def test_guard_numbers_before_and_change_make_after():
    # demand is about 20 a week: sold out, near the stock, and never
    run = finished(*[make_listing(inventory=stock) for stock in (0, 15, 20, 25, 5000)])
    numbers = run.guard_numbers
    assert numbers["profit_before"] > 0
    assert numbers["profit_before"] + numbers["profit_change"] == pytest.approx(numbers["profit_after"], abs=0.01)
    for row in Recommendation.objects.filter(run=run):
        assert row.profit_before + row.profit_change_mean == pytest.approx(row.expected_profit)
        margin = row.previous_price - row.listing.unit_cost
        assert row.profit_before == pytest.approx(float(margin) * row.demand_before)
        assert row.revenue_before == pytest.approx(float(row.previous_price) * row.demand_before)


def test_without_a_fit_the_cure_is_named():
    with pytest.raises(CannotOptimize, match="fit_elasticities"):
        open_run(channel=make_channel(), objective="profit", now=timezone.now())


def test_a_failed_run_is_opened_again_under_its_key():
    listing = make_listing()
    run = opened(listing, key="tonight")
    run.chunks.update(attempts=MAX_ATTEMPTS)
    compute(run)
    again = open_run(channel=listing.channel, objective="profit", key="tonight", now=timezone.now())
    assert again.pk == run.pk and again.status == "open"
    compute(again)
    assert close_run(run_id=run.pk, now=timezone.now()).status == "succeeded"


def test_a_chunk_that_ends_after_its_run_failed_leaves_it_failed(monkeypatch):
    run = opened(make_listing())

    def fail_meanwhile(**fields):
        fail_run(run_id=run.pk, error="the other chunk", now=timezone.now())
        return "cpu"

    monkeypatch.setattr("optimizer.services.optimize_chunk.recommend", fail_meanwhile)
    compute(run)
    run.refresh_from_db()
    assert (run.status, run.error) == ("failed", "the other chunk")


def test_a_run_uses_the_fit_that_it_is_given():
    listing = make_listing()
    first = make_fit(listing.channel, [listing])
    make_fit(listing.channel, [listing], mean=-3.0)
    run = open_run(channel=listing.channel, objective="profit", fit=first, now=timezone.now())
    assert run.fit == first


def test_a_run_that_cannot_be_closed_does_not_hold_up_the_others(monkeypatch):
    stuck, other = opened(make_listing()), opened(make_listing(channel=make_channel("de", currency="EUR")))
    for run in (stuck, other):
        compute(run)

    def decide_on_all_but_the_first(*, run_id, now):
        if run_id == stuck.pk:
            raise RuntimeError("no such luck")
        return decide_run(run_id=run_id, now=now)

    monkeypatch.setattr("optimizer.tasks.decide_run", decide_on_all_but_the_first)
    monkeypatch.setattr("optimizer.tasks.publish_prices.delay", publish_prices)
    resume_stalled_runs()
    other.refresh_from_db()
    assert other.status == "succeeded"
    OptimizationRun.objects.filter(pk=stuck.pk).update(created_at=timezone.now() - timedelta(days=2))
    resume_stalled_runs()
    stuck.refresh_from_db()
    assert stuck.status == "failed" and "no such luck" in stuck.error


def test_a_run_is_published_in_slices_and_families_as_a_whole(monkeypatch):
    monkeypatch.setattr(hand_to_gate, "SLICE", 2)
    listings = [make_listing(list_price=Decimal(10 + number)) for number in range(5)]
    family = PriceGroup.objects.create(kind="family", name="mugs")
    one, two = make_listing(), make_listing(unit_cost=Decimal("4.00"))
    for listing in (one, two):
        PriceGroupMember.objects.create(group=family, kind="family", product=listing.product)
    run = opened(one, *listings, two)
    compute(run)
    calls = []
    publish = hand_to_gate.publish_prices
    monkeypatch.setattr(
        hand_to_gate,
        "publish_prices",
        lambda **given: calls.append({each.listing_id for each in given["proposals"]}) or publish(**given),
    )
    solve_together(run_id=run.pk, now=timezone.now())
    run = close_run(run_id=run.pk, now=timezone.now())
    assert run.status == "succeeded"
    assert [len(call) for call in calls] == [2, 2, 2, 1] and calls[0] == {one.pk, two.pk}
    assert run.guard_numbers["outcomes"] == {"published": 7}
    assert PriceChange.objects.filter(run_id=run.pk).count() == 7


def test_refused_in_one_slice_the_others_are_published(monkeypatch):
    monkeypatch.setattr(hand_to_gate, "SLICE", 1)
    held, free = make_listing(), make_listing()
    run = opened(held, free)
    compute(run)
    publish(held, "11.00", source=PriceSource.OVERRIDE)
    run = close_run(run_id=run.pk, now=timezone.now())
    assert run.guard_numbers["outcomes"] == {"published": 1, "refused": 1}
    assert Recommendation.objects.get(run=run, listing=held).outcome_reason == "price_changed_meanwhile"
