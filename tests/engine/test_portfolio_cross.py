"""What moving a price does to others' sales, in the choice of all prices together."""

import dataclasses
from itertools import product as combinations

import numpy as np
import pytest
import torch

from catalog.guardrails import MISSING, GuardrailBatch, Guardrails
from optimizer.engine import PricingInputs, optimize_ticks
from optimizer.engine.objectives import objective_named
from optimizer.engine.portfolio import (
    CrossEffects,
    CrossPairs,
    PortfolioPrices,
    RevenueFloor,
    price_portfolio,
)
from optimizer.engine.ticks import cost_ticks, demand_posterior
from tests.engine.test_portfolio_pricing import alone, expected, inputs_of

CPU = torch.device("cpu")
LOOSE = [RevenueFloor(change=-0.9)]


def some_pairs(size: int, count: int, seed: int = 5) -> CrossPairs:
    rng = np.random.default_rng(seed)
    demand_of = rng.integers(0, size, count)
    price_of = (demand_of + rng.integers(1, size, count)) % size
    return CrossPairs(demand_of=demand_of, price_of=price_of, elasticity=rng.normal(0.2, 0.3, count))


def joint_slopes(inputs: PricingInputs, pairs: CrossPairs, objective: str) -> np.ndarray:
    """Return ∂/∂ ln p_i of what all SKUs but i bring, by central differences of the joint objective.

    Each SKU's demand is shifted by its neighbours' prices; what is sold of it is limited by stock.
    """
    size, step = len(inputs), 1e-5
    gamma = np.zeros((size, size))
    np.add.at(gamma, (pairs.demand_of, pairs.price_of), pairs.elasticity)
    demand, cost = demand_posterior(inputs, CPU), cost_ticks(inputs, CPU)

    def brought(moves: np.ndarray) -> float:
        shifted = dataclasses.replace(demand, demand=demand.demand * torch.from_numpy(np.exp(gamma @ moves)))
        units = shifted.expected_sales(torch.zeros(size, dtype=torch.float64))
        return float(objective_named(objective).value(demand.reference, cost, units).sum())

    return np.array([(brought(step * move) - brought(-step * move)) / (2 * step) for move in np.eye(size)])


@pytest.mark.parametrize("objective", ["profit", "revenue", "market_share"])
@pytest.mark.parametrize("log_demand_sd", [0.0, 0.4])
def test_effects_are_the_derivative_of_what_all_others_bring(objective, log_demand_sd):
    inputs = inputs_of(40, log_demand_sd=np.full(40, log_demand_sd))
    stock = np.where(np.arange(40) % 3, MISSING, inputs.demand * np.linspace(0.3, 2.5, 40)).astype(np.int64)
    stock[0] = 0
    inputs = dataclasses.replace(inputs, inventory=stock)
    pairs = some_pairs(40, 150)
    effects = CrossEffects.of(pairs, inputs, objective)
    for name, found in {objective: effects.value, "profit": effects.profit, "revenue": effects.revenue}.items():
        np.testing.assert_allclose(found, joint_slopes(inputs, pairs, name), rtol=1e-5, atol=1e-4)


def two(elasticity: float) -> tuple[PricingInputs, CrossPairs]:
    inputs = PricingInputs(
        current_ticks=np.array([1_000, 1_000]),
        cost_units=np.array([60_000, 55_000]),
        demand=np.array([50.0, 60.0]),
        elasticity_mean=np.array([-2.6, -2.4]),
        elasticity_sd=np.zeros(2),
        guardrails=GuardrailBatch.uniform(Guardrails(max_change_bp=2_500), 2),
    )
    pairs = CrossPairs(
        demand_of=np.array([0, 1]), price_of=np.array([1, 0]), elasticity=np.array([elasticity, elasticity])
    )
    return inputs, pairs


def joint_profit(inputs: PricingInputs, elasticity: float, ticks: np.ndarray) -> float:
    moves = np.log(ticks / inputs.current_ticks)
    units = inputs.demand * np.exp(inputs.elasticity_mean * moves + elasticity * moves[::-1])
    return float(((ticks - inputs.cost_units / 100) * units).sum())


@pytest.mark.parametrize("elasticity", [0.5, 0.25, -0.25, -0.4])
def test_two_products_are_priced_as_trying_every_pair_of_prices(elasticity):
    inputs, pairs = two(elasticity)
    best = optimize_ticks(inputs, device="cpu").price_ticks
    found = price_portfolio(inputs, LOOSE, alone=best, cross=pairs, device="cpu", points=101)
    assert ((found.ticks > best) if elasticity > 0 else (found.ticks < best)).all()
    options = found.ladder.ticks
    tried = max(combinations(*options), key=lambda pair: joint_profit(inputs, elasticity, np.array(pair)))
    apart, reached, most = (joint_profit(inputs, elasticity, np.array(each)) for each in (best, found.ticks, tried))
    assert reached - apart > 0.8 * (most - apart)
    np.testing.assert_allclose(found.ticks, tried, rtol=0.035)


def test_what_is_said_is_what_the_goals_count():
    inputs, pairs = two(0.4)
    found = price_portfolio(inputs, LOOSE, alone=alone(inputs), cross=pairs, device="cpu")
    own = expected(inputs, found.ticks)
    moves = np.log(found.ticks / inputs.current_ticks)
    margin = inputs.current_ticks - inputs.cost_units / 100
    to_others = 0.4 * ((margin * inputs.demand)[::-1] * moves).sum()
    assert found.brought_to_others == pytest.approx(to_others)
    assert found.result.value == pytest.approx(own[2].sum() + to_others) and found.result.gap < 1e-4
    revenue = own[1].sum() + 0.4 * ((inputs.current_ticks * inputs.demand)[::-1] * moves).sum()
    assert -found.result.usage[0][0] == pytest.approx(revenue)


def same(one: PortfolioPrices, two: PortfolioPrices) -> bool:
    return np.array_equal(one.ticks, two.ticks) and one.result.value == two.result.value and one.effects == two.effects


def test_without_pairs_among_what_is_priced_nothing_changes_to_the_last_bit():
    inputs = inputs_of(300)
    inputs.cost_units[:2] = MISSING
    best = alone(inputs)
    of_unpriced = CrossPairs(demand_of=np.array([0, 1]), price_of=np.array([1, 0]), elasticity=np.array([0.5, 0.5]))
    plain = price_portfolio(inputs, [RevenueFloor(change=0.02)], alone=best, device="cpu")
    crossed = price_portfolio(inputs, [RevenueFloor(change=0.02)], alone=best, cross=of_unpriced, device="cpu")
    assert same(plain, crossed) and plain.effects is None and plain.brought_to_others == 0.0


def test_no_choice_that_keeps_the_goals_beats_the_bound():
    inputs = inputs_of(2_000)
    best, pairs = alone(inputs), some_pairs(2_000, 6_000)
    goals = [RevenueFloor(change=0.02)]
    found = price_portfolio(inputs, goals, alone=best, cross=pairs, device="cpu")
    assert found.result.gap < 1e-4
    without = price_portfolio(inputs, goals, alone=best, device="cpu")
    effects = found.effects
    moves = np.log(without.ticks / inputs.current_ticks)
    _, revenue, profit = expected(inputs, without.ticks)
    if (revenue + effects.revenue * moves).sum() >= 1.02 * found.ladder.revenue_before.sum():
        assert (profit + effects.profit * moves).sum() <= found.result.bound
    assert (found.ticks != without.ticks).sum() > 200
