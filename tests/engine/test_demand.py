"""Expected sales under a stock limit: simulation, limits and extreme numbers."""

import itertools
import math

import numpy as np
import pytest
import torch

from optimizer.engine.demand import Demand

DRAWS = 400_000


def demand_of(size=1, **columns):
    base = {"reference": 1000.0, "demand": 50.0, "elasticity_mean": -2.0, "elasticity_sd": 0.5}
    base |= {"log_demand_sd": 0.3, "stock": math.inf} | columns
    return Demand(**{name: torch.full((size,), value, dtype=torch.float64) for name, value in base.items()})


def sales_at(price, **columns):
    demand = demand_of(**columns)
    return demand.expected_sales(demand.log_ratio(torch.tensor([price], dtype=torch.float64))).item()


@pytest.mark.parametrize("price", [700.0, 1000.0, 1300.0])
@pytest.mark.parametrize("stock", [1.0, 20.0, 50.0, 120.0])
@pytest.mark.parametrize(("elasticity_sd", "log_demand_sd"), [(0.5, 0.3), (0.0, 0.6), (1.5, 0.0), (0.2, 1.2)])
def test_expected_sales_agree_with_simulation(price, stock, elasticity_sd, log_demand_sd):
    rng = np.random.default_rng(5)
    elasticity = rng.normal(-2, elasticity_sd, DRAWS)
    base = np.exp(rng.normal(math.log(50) - log_demand_sd**2 / 2, log_demand_sd, DRAWS))
    sales = np.minimum(base * (price / 1000) ** elasticity, stock)
    found = sales_at(price, stock=stock, elasticity_sd=elasticity_sd, log_demand_sd=log_demand_sd)
    assert found == pytest.approx(sales.mean(), abs=4 * sales.std() / math.sqrt(DRAWS) + 1e-7)


@pytest.mark.parametrize("spread", [0.0, 1e-300, 1e-12])
@pytest.mark.parametrize("stock", [0.0, 30.0, 50.0, 70.0, math.inf])
def test_without_uncertainty_the_mean_or_the_stock_is_sold(spread, stock):
    for price in (900.0, 1000.0, 1100.0):
        certain = min(50 * (price / 1000) ** -2, stock)
        found = sales_at(price, stock=stock, elasticity_sd=spread, log_demand_sd=spread)
        assert found == pytest.approx(certain, rel=1e-11)


@pytest.mark.parametrize("log_demand_sd", [0.0, 1e-6, 0.5, 40.0])
def test_extreme_numbers_stay_between_nothing_and_what_there_is(log_demand_sd):
    stocks, demands, prices = (0.0, 1.0, 1e12, math.inf), (1e-12, 1.0, 1e15), (1.0, 1000.0, 1e15)
    for stock, demand, price, sd in itertools.product(stocks, demands, prices, (0.0, 1e-6, 3.0)):
        columns = {"stock": stock, "demand": demand, "elasticity_sd": sd, "log_demand_sd": log_demand_sd}
        found = sales_at(price, **columns)
        assert math.isfinite(found)
        assert 0 <= found <= min(sales_at(price, **columns | {"stock": math.inf}), stock)


def test_stock_far_below_demand_sells_out_to_the_last_digit():
    assert sales_at(1000.0, demand=1e9, stock=3.0) == pytest.approx(3.0, rel=1e-15)


def test_stock_that_does_not_matter_takes_nothing_from_the_expected_sales():
    rng = np.random.default_rng(3)
    stock = np.exp(rng.uniform(0, 20, 5000))
    columns = {"stock": stock, "elasticity_sd": rng.uniform(0, 1, 5000), "log_demand_sd": rng.uniform(0, 1.5, 5000)}
    limited = Demand(
        **{name: getattr(demand_of(5000), name) for name in Demand.__slots__ if name not in columns},
        **{name: torch.from_numpy(values) for name, values in columns.items()},
    )
    first, last = torch.full((5000,), 800), torch.full((5000,), 1200)
    matters = limited.stock_matters_between(first, last)
    assert 500 < matters.sum() < 4500
    for price in (800.0, 900.0, 1000.0, 1100.0, 1200.0):
        log_ratio = limited.log_ratio(torch.tensor(price, dtype=torch.float64))
        lost = 1 - limited.expected_sales(log_ratio) / limited.expected_demand(log_ratio)
        assert lost[~matters].max() < 1e-14
        most = limited.most_sales_between(first, last)
        assert (limited.expected_sales(log_ratio) <= most * (1 + 1e-14)).all()
