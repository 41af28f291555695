from itertools import islice

import numpy as np
import pytest
from django.utils import timezone

from streaming.simulation import purchase_probability, simulated_demand, simulated_outcome
from streaming.topics import Topic

DECISION = Topic.PRICING_DECISIONS.schema["examples"][0]


def demand(seed, number):
    events = simulated_demand(channel="web", skus=["A", "B"], rng=np.random.default_rng(seed))
    return list(islice(events, number))


def test_simulated_demand_fits_its_schema_and_reaches_every_intensity():
    events = demand(0, 300)
    for event in events:
        Topic.DEMAND_EVENTS.validator.validate(event | {"occurred_at": timezone.now().isoformat()})
    ratios = np.array([event["demand"] / event["supply"] for event in events])
    assert min((ratios < 0.5).mean(), (ratios > 1.5).mean()) > 0.1
    assert len({event["event_id"] for event in events}) == 300


def test_the_same_seed_makes_the_same_demand():
    assert demand(1, 20) == demand(1, 20) != demand(2, 20)


def test_a_simulated_shopper_answers_the_same_whenever_asked():
    now = timezone.now()
    outcome = simulated_outcome(DECISION, seed=0, now=now)
    Topic.PRICING_OUTCOMES.validator.validate(outcome)
    assert simulated_outcome(DECISION, seed=0, now=now) == outcome


@pytest.mark.parametrize(("intensity", "best"), [("low", 0.9), ("high", 1.1)])
def test_the_best_price_depends_on_the_intensity(intensity, best):
    steps = [0.9, 0.95, 1.0, 1.05, 1.1]
    rewards = [
        step * purchase_probability(DECISION | {"intensity": intensity, "list_price": "10.00", "price": str(10 * step)})
        for step in steps
    ]
    assert steps[int(np.argmax(rewards))] == best
