"""Quantiles, profit change and the probability of being better, against simulation."""

import numpy as np
import pytest
import torch

from optimizer.engine.demand import Demand
from optimizer.engine.uncertainty import demand_quantiles, profit_change

DRAWS = 400_000


def demand_of(**columns):
    base = {"reference": 1000.0, "demand": 50.0, "elasticity_mean": -2.0, "elasticity_sd": 0.5}
    base |= {"log_demand_sd": 0.3, "stock": np.inf} | columns
    return Demand(**{name: torch.tensor([value], dtype=torch.float64) for name, value in base.items()})


def simulate(demand, price, cost, seed=1):
    rng = np.random.default_rng(seed)
    value = {name: getattr(demand, name).item() for name in Demand.__slots__}
    elasticity = rng.normal(value["elasticity_mean"], value["elasticity_sd"], DRAWS)
    sd = value["log_demand_sd"]
    base = np.exp(rng.normal(np.log(value["demand"]) - sd**2 / 2, sd, DRAWS))
    sales = np.minimum(base * (price / value["reference"]) ** elasticity, value["stock"])
    before = np.minimum(base, value["stock"])
    return sales, (price - cost) * sales - (value["reference"] - cost) * before


CASES = [
    {"price": 1150.0},
    {"price": 850.0},
    {"price": 1150.0, "stock": 50.0},
    {"price": 850.0, "stock": 60.0},
    {"price": 1150.0, "stock": 5.0},
    {"price": 1100.0, "stock": 55.0, "log_demand_sd": 0.6},
    {"price": 1100.0, "elasticity_sd": 0.05, "stock": 45.0},
    {"price": 900.0, "elasticity_mean": -1.0, "stock": 52.0},
]


@pytest.mark.parametrize("case", CASES)
def test_the_change_of_profit_agrees_with_simulation(case):
    price, cost = case["price"], 600.0
    demand = demand_of(**{name: value for name, value in case.items() if name != "price"})
    _, change = simulate(demand, price, cost)
    found = profit_change(demand, torch.tensor([price], dtype=torch.float64), torch.tensor([cost], dtype=torch.float64))
    scale = change.std()
    assert found.sd.item() == pytest.approx(scale, rel=0.01, abs=0.01)
    assert found.probability_better.item() == pytest.approx((change > 0).mean(), abs=0.004)


@pytest.mark.parametrize("case", CASES)
def test_quantiles_of_demand_agree_with_simulation(case):
    demand = demand_of(**{name: value for name, value in case.items() if name != "price"})
    price = torch.tensor([case["price"]], dtype=torch.float64)
    sales, _ = simulate(demand, case["price"], 600.0)
    found = demand_quantiles(demand, demand.log_ratio(price))
    assert found.low.item() == pytest.approx(np.quantile(sales, 0.05), rel=0.01)
    assert found.high.item() == pytest.approx(np.quantile(sales, 0.95), rel=0.01)


def change_of(price, cost=600.0, **columns):
    demand = demand_of(**columns)
    return profit_change(demand, torch.tensor([price], dtype=torch.float64), torch.tensor([cost], dtype=torch.float64))


def test_a_price_that_stays_changes_nothing():
    found = change_of(1000.0)
    assert (found.sd.item(), found.probability_better.item()) == (0, 0)


def test_a_known_elasticity_makes_the_answer_certain():
    surely = change_of(1100.0, elasticity_sd=0.0, log_demand_sd=0.0)
    assert (surely.probability_better.item(), surely.sd.item()) == (1.0, pytest.approx(0, abs=1e-3))
    assert change_of(1300.0, elasticity_mean=-4.0, elasticity_sd=0.0).probability_better.item() == 0.0


@pytest.mark.parametrize("stock", [np.inf, 20.0])
def test_leaving_a_price_below_cost_is_surely_better(stock):
    assert change_of(700.0, cost=650.0, reference=600.0, stock=stock).probability_better.item() == 1.0


def test_a_rise_while_sold_out_for_certain_is_surely_better():
    assert change_of(1010.0, stock=1.0, log_demand_sd=0.0).probability_better.item() == pytest.approx(1.0)


def test_without_stock_nothing_is_better():
    assert change_of(1100.0, stock=0.0).probability_better.item() == 0
