"""One product at a time."""

import json
from decimal import Decimal

import pytest

from catalog.guardrails import Guardrails
from optimizer.engine import DynamicPricingEngine, ElasticityPosterior, PricingConfig
from optimizer.replay import replay_price

KNOWN = {"mug": ElasticityPosterior(mean=-3.0, sd=0.2, log_demand_sd=0.1)}


def engine(**config):
    return DynamicPricingEngine(PricingConfig(device="cpu", **config), elasticities=KNOWN, unit_costs={"mug": "6.00"})


def test_a_product_gets_its_price_with_reasons():
    answer = engine().get_optimal_price("mug", "10.00", 500, [9.5, 10.5, 11.0], 40.0)
    assert answer.price == Decimal("8.99")
    assert answer.binding_rule == "own_optimum"
    assert answer.previous_price == Decimal("10.00")
    assert answer.expected_profit > answer.previous_profit
    assert answer.confidence == answer.probability_better > 0.6
    assert answer.demand_low < answer.expected_demand < answer.demand_high


def test_its_explanation_is_json_and_replays_to_the_same_price():
    answer = engine().get_optimal_price("mug", 10, 500, {"rival": 9.5}, [10, 15, 15])
    recorded = json.loads(json.dumps(answer.explanation))
    replayed = replay_price(recorded)
    assert replayed.confirmed
    assert Decimal(replayed.price_ticks) / 100 == answer.price
    assert recorded["demand"] == 40.0


def test_an_unknown_product_is_priced_from_the_prior():
    answer = engine().get_optimal_price("vase", 10.0, 500, None, 40.0, unit_cost=Decimal("2.5"))
    assert (answer.explanation["elasticity_mean"], answer.explanation["elasticity_sd"]) == (-1.5, 0.5)
    assert answer.price is not None


def test_a_product_without_cost_is_not_priced():
    answer = engine().get_optimal_price("vase", 10.0, 500, None, 40.0)
    assert (answer.price, answer.binding_rule, answer.unpriced_reason) == (None, "unpriced", "missing_cost")


def test_a_price_that_stays_is_certain():
    answer = engine(guardrails=Guardrails(max_change_bp=0)).get_optimal_price("mug", 10.0, 500, None, 40.0)
    assert (answer.price, answer.confidence, answer.probability_better) == (Decimal("10.00"), 1.0, 0.0)


def test_competitor_prices_become_one_reference():
    rivals = [9.0, 0, "10.00", float("nan"), 20]
    median = engine().get_optimal_price("mug", 10.0, 500, rivals, 40.0)
    assert median.explanation["competitor_price_ticks"] == 1000
    lowest = engine(competitor_reference="lowest").get_optimal_price("mug", 10.0, 500, rivals, 40.0)
    assert lowest.explanation["competitor_price_ticks"] == 900


def test_the_currency_decides_the_rounding():
    answer = engine(currency_exponent=0).get_optimal_price("mug", 10, 500, None, 40.0)
    assert answer.price == Decimal(9)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("mug", -1, 500, None, 40.0), "current_price"),
        (("mug", 0, 500, None, 40.0), "current_price"),
        (("mug", float("nan"), 500, None, 40.0), "current_price"),
        (("mug", 10, 500, None, -3.0), "demand_forecast"),
        (("mug", 10, 500, None, float("inf")), "demand_forecast"),
    ],
)
def test_a_value_outside_its_domain_is_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        engine().get_optimal_price(*arguments)
