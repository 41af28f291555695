from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from streaming.market_score import MarketScore
from streaming.simulation import Shoppers, expected_requests, simulated_demand
from streaming.topics import Topic
from tests.factories import make_channel, make_listing

DECISION = Topic.PRICING_DECISIONS.schema["examples"][0]
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def demand(seed, number, step=timedelta(minutes=5)):
    events = simulated_demand(channel="web", skus=["A", "B"], rng=np.random.default_rng(seed), start=MONDAY, step=step)
    return list(islice(events, number))


def test_simulated_demand_fits_its_schema_and_reaches_every_intensity_within_a_day():
    events = demand(0, 288)
    for event in events:
        Topic.DEMAND_EVENTS.validate(event | {"occurred_at": timezone.now().isoformat()})
    ratios = np.array([event["demand"] / event["supply"] for event in events])
    assert min((ratios < 0.5).mean(), (ratios > 1.5).mean()) > 0.1
    assert len({event["event_id"] for event in events}) == 288


def test_demand_follows_the_hour_and_the_weekday():
    night, evening = MONDAY.replace(hour=3), MONDAY.replace(hour=20)
    assert expected_requests("leeds", evening) > 20 * expected_requests("leeds", night)
    assert expected_requests("leeds", evening + timedelta(days=5)) == 1.3 * expected_requests("leeds", evening)


def test_the_same_seed_makes_the_same_demand():
    assert demand(1, 20) == demand(1, 20) != demand(2, 20)


def test_a_simulated_shopper_answers_the_same_whenever_asked():
    shoppers = Shoppers(delay_seconds=30)
    outcome = shoppers.answer(DECISION)
    Topic.PRICING_OUTCOMES.validate(outcome)
    assert shoppers.answer(DECISION) == outcome != replace(shoppers, seed=1).answer(DECISION)
    assert outcome["occurred_at"] > DECISION["decided_at"]


def many(number, **fields):
    return [DECISION | {"decision_id": f"{n:08x}-0000-4000-8000-000000000000"} | fields for n in range(number)]


def test_answers_come_at_the_hidden_rate_after_the_mean_delay():
    shoppers = Shoppers(delay_seconds=30)
    answers = [shoppers.answer(decision) for decision in many(4_000)]
    rate = np.mean([each["outcome"] == "purchased" for each in answers])
    truth = shoppers.purchase_probability(DECISION)
    assert abs(rate - truth) < 4 * (truth * (1 - truth) / 4_000) ** 0.5
    began = datetime.fromisoformat(DECISION["decided_at"])
    waits = [(datetime.fromisoformat(each["occurred_at"]) - began).total_seconds() for each in answers]
    assert np.mean(waits) == pytest.approx(30, rel=0.1)


def test_some_answers_are_lost_and_some_come_twice():
    shoppers = Shoppers(lost=0.2, doubled=0.3)
    counts = np.bincount([shoppers.deliveries(decision) for decision in many(5_000)], minlength=3) / 5_000
    assert counts == pytest.approx([0.2, 0.5, 0.3], abs=0.03)


def test_demand_drifts_and_jumps_at_its_moment():
    decided = datetime.fromisoformat(DECISION["decided_at"])
    still = Shoppers().purchase_probability(DECISION)
    drifted = Shoppers(drift_a_day=0.05, since=decided - timedelta(days=1)).purchase_probability(DECISION)
    jumped = Shoppers(jump=-0.1, jump_at=decided).purchase_probability(DECISION)
    before = Shoppers(jump=-0.1, jump_at=decided + timedelta(seconds=1)).purchase_probability(DECISION)
    assert jumped < still == before < drifted


def test_fewer_buy_at_a_higher_price_and_the_best_price_differs_between_contexts():
    shoppers, steps = Shoppers(), [0.9, 0.95, 1.0, 1.05, 1.1]
    best = set()
    for number in range(40):
        decision = DECISION | {"sku": f"S{number}", "list_price": "10.00"}
        rates = [shoppers.purchase_probability(decision, 10 * step) for step in steps]
        assert rates == sorted(rates, reverse=True)
        best.add(int(np.argmax(np.multiply(rates, steps))))
    assert len(best) >= 3


def test_the_score_says_how_much_the_prices_lost():
    score = MarketScore(Shoppers())
    rewards = {}
    for price in ("9.00", "11.00"):
        decision = DECISION | {"price": price, "list_price": "10.00"}
        rewards[price] = float(price) * Shoppers().purchase_probability(decision)
        score.count(decision)
    first, second = rewards.values()
    assert score.regret == pytest.approx(1 - (first + second) / (first + max(first, second)))
    assert score.best_share == (1.0 if second > first else 0.5)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("option", "cure"),
    [({"per_second": 0.0}, "--per-second is 0"), ({"events": -1}, "--events is -1"), ({"channel": "moon"}, "'moon'")],
)
def test_bad_arguments_of_produce_demand_are_named(option, cure):
    make_listing(channel=make_channel())
    with pytest.raises(CommandError, match=cure) as error:
        call_command("produce_demand", **option)
    assert error.value.returncode == 2


@pytest.mark.parametrize("argument", ["--lost=2", "--delay=-1"])
def test_bad_arguments_of_simulate_outcomes_are_named(argument):
    with pytest.raises(CommandError, match=argument.partition("=")[0]):
        call_command("simulate_outcomes", argument)
